#pragma once

#include <filesystem>
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
    std::filesystem::path state;    // where files and batches are kept; empty: nowhere
    std::vector<std::string> busy;  // what somebody has at the moment: addresses, with the reason,
                                    // and the folder of the state
};

/// Throws LoadError, with what was expected, found, and what to do.
ServicePlan plan_service(const Options& options);

}  // namespace qwend
