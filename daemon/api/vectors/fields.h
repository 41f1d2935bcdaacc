#pragma once

#include <string>
#include <vector>

#include "daemon/api/field.h"
#include "daemon/api/openai/reader.h"
#include "daemon/api/vectors/request.h"

namespace qwend {

/// Reads fields of a request for vectors into it, as FieldReader does.
struct VectorReader {
    VectorReader(const RequestLimits& limits, VectorRequest& read_into)
        : common(limits, read_into.common), read(common.read), request(read_into) {}

    RequestReader common;
    FieldReader& read;  // common's
    VectorRequest& request;
};

/// The fields that only these requests have; what they share with others has the scope kVectors in
/// request_fields().
const FieldTable<VectorReader>& vector_fields();

}  // namespace qwend
