#pragma once

#include <string_view>

#include "base/result.h"

namespace aerie::server {

enum class ServiceState { Ready, Reloading, Stopping };

/// Tells the service manager that started us (systemd, Type=notify) what the process is doing: one
/// datagram to the socket that NOTIFY_SOCKET names, which may be abstract. Does nothing without
/// that variable. Thread-safe. Errors: Unavailable with what the system says; the process works on
/// without.
Status notify_service_manager(ServiceState state);

}  // namespace aerie::server
