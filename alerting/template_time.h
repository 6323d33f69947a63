#pragma once

#include <string>
#include <string_view>

#include "alerting/template_value.h"

namespace aerie::alerting {

/// Go's Time.String() in UTC: `2022-01-25 12:36:43.5 +0000 UTC`.
std::string time_text(TemplateTime time);
/// Go's Time.Format() in UTC for the layout words of numeric dates, month and day names, AM/PM,
/// fractions and zones.
std::string format_time(TemplateTime time, std::string_view layout);
/// Go's Duration.String(): `1h2m3.5s`, `1.5ms`, `0s`.
std::string duration_text(TemplateDuration duration);

/// Calendar fields in UTC.
struct CivilTime {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
  int weekday = 4;   ///< 0: Sunday
  int year_day = 1;  ///< from 1
};
CivilTime civil_time(TemplateTime time);

}  // namespace aerie::alerting
