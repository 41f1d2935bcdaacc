#pragma once

#include <string>
#include <vector>

#include "daemon/keys.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "net/address.h"

namespace qwend {

/// What the daemon needs of this machine besides model and device, checked: `qwend check` and
/// `qwend serve` make the same one, so that neither accepts what the other refuses.
struct ServicePlan {
    ApiKeys keys;
    std::vector<InheritedSocket> sockets;  // if there are any, they take the addresses' place
    std::vector<ListenAddress> addresses;
    std::vector<std::string> busy;  // addresses that somebody listens on at the moment, and why
};

/// Throws LoadError, with what was expected, found, and what to do.
ServicePlan plan_service(const Options& options);

}  // namespace qwend
