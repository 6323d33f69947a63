#include <cstddef>
#include <cstdint>
#include <string_view>

#include "alerting/alert.h"
#include "alerting/relay_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aerie;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto request = alerting::parse_alert_request(bytes, 1'767'225'600'000);
  if (request) {
    for (const alerting::OutgoingAlert& alert : request->alerts) {
      (void)alerting::outgoing_json(alert);
      const auto again = alerting::decode_outgoing(alerting::encode_outgoing(alert));
      if (!again || !(*again == alert)) __builtin_trap();
    }
  }
  // Rows may be damaged in any way.
  alerting::decode_alert(bytes).ignore("fuzz");
  alerting::decode_outgoing(bytes).ignore("fuzz");
  return 0;
}
