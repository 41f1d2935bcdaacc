#include "daemon/service_plan.h"

#include <fmt/core.h>

#include <utility>

#include "daemon/api/batches/state_folder.h"
#include "model/error.h"

namespace qwend {

namespace {

/// An address that others can reach wants keys, however the daemon came by it.
void check_reach(const SocketAddress& address, const std::string& name, const Options& options,
                 const ApiKeys& keys) {
    if (is_local(address) || !keys.keys.empty() || options.insecure_no_auth) return;
    throw LoadError(fmt::format(
        "{} can be reached from other machines, and no API keys are set; set api-key-file, listen "
        "on 127.0.0.1 or a unix socket behind nginx, or say insecure-no-auth",
        name));
}

void plan_sockets(ServicePlan& plan, const Options& options) {
    for (const InheritedSocket& socket : plan.sockets) {
        SocketAddress address;
        if (!address_of(socket.fd, address))
            throw LoadError(
                fmt::format("the descriptor {} that systemd hands over is no socket", socket.fd));
        check_reach(address,
                    fmt::format("the socket {} that systemd hands over (ListenStream=)",
                                describe_address(address)),
                    options, plan.keys);
    }
}

void plan_addresses(ServicePlan& plan, const Options& options) {
    for (const std::string& text : options.listen) {
        ListenAddress address;
        std::vector<SocketAddress> found;
        std::string error = parse_listen_address(text, address);
        if (error.empty()) error = resolve_address(address, found);
        if (!error.empty()) throw LoadError(fmt::format("cannot listen on {}", error));
        for (const SocketAddress& each : found)
            check_reach(each, fmt::format("listen {}", text), options, plan.keys);
        std::string why;
        const AddressState state = probe_address(address, why);
        if (state == AddressState::unusable)
            throw LoadError(fmt::format("cannot listen on {}", why));
        if (state == AddressState::in_use) plan.busy.push_back(why);
        plan.addresses.push_back(std::move(address));
    }
}

void plan_state(ServicePlan& plan, const Options& options) {
    if (options.state_directory.empty()) return;
    plan.state = state_root(options.state_directory);
    // What systemd keeps for the service is not known to who checks its file.
    if (plan.state.is_absolute() && !is_state_folder_free(plan.state))
        plan.busy.push_back(fmt::format("{} is in use", plan.state.string()));
}

}  // namespace

ServicePlan plan_service(const Options& options) {
    if (std::string error = check_options(options); !error.empty()) throw LoadError(error);
    ServicePlan plan;
    plan.keys = find_api_keys(options.api_key_file);
    for (InheritedSocket& socket : inherited_sockets())
        if (socket.name != "metrics") plan.sockets.push_back(std::move(socket));
    plan_sockets(plan, options);
    if (plan.sockets.empty()) plan_addresses(plan, options);
    plan_state(plan, options);
    return plan;
}

}  // namespace qwend
