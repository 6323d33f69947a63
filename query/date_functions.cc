#include <chrono>
#include <cmath>
#include <limits>

#include "query/mapped.h"
#include "query/planner.h"

namespace aerie::query {
namespace {

/// A moment in UTC, taken apart. Whole seconds: the fraction is cut towards zero before, as in
/// Prometheus.
struct Moment {
  std::chrono::year_month_day date;
  std::chrono::sys_days day;
  int64_t year = 0;
  int64_t second_of_day = 0;
};

Moment moment_of(double seconds) {
  // What does not fit becomes Go's conversion result on amd64, the smallest integer; chrono's
  // calendar ends far sooner.
  constexpr double kLimit = 9.2e18;
  int64_t whole = std::fabs(seconds) < kLimit ? static_cast<int64_t>(seconds)
                                              : std::numeric_limits<int64_t>::min();
  // Go counts from a March 1 so long ago that every time is positive, modulo 2^64: what lies before
  // becomes a time in the far future.
  constexpr uint64_t kDay = 86400;
  constexpr uint64_t kEpoch = 106'751'991'073'400 * kDay;  // of 1970, by that count
  const uint64_t absolute = static_cast<uint64_t>(whole) + kEpoch;
  auto days = static_cast<int64_t>(absolute / kDay) - static_cast<int64_t>(kEpoch / kDay);
  // The Gregorian calendar repeats every 146097 days, which are 400 years.
  constexpr int64_t kCycle = 146097;
  const int64_t cycles = days / kCycle - (days % kCycle < 0 ? 1 : 0);
  days -= cycles * kCycle;
  const std::chrono::sys_days day{std::chrono::days(days)};
  const std::chrono::year_month_day date(day);
  return {date, day, static_cast<int>(date.year()) + 400 * cycles,
          static_cast<int64_t>(absolute % kDay)};
}

double minute(const Moment& m) { return static_cast<double>(m.second_of_day / 60 % 60); }
double hour(const Moment& m) { return static_cast<double>(m.second_of_day / 3600); }
double day_of_week(const Moment& m) { return std::chrono::weekday(m.day).c_encoding(); }
double day_of_month(const Moment& m) { return static_cast<unsigned>(m.date.day()); }
double day_of_year(const Moment& m) {
  return static_cast<double>(
      (m.day - std::chrono::sys_days(m.date.year() / std::chrono::January / 1)).count() + 1);
}
double days_in_month(const Moment& m) {
  return static_cast<unsigned>((m.date.year() / m.date.month() / std::chrono::last).day());
}
double month(const Moment& m) { return static_cast<unsigned>(m.date.month()); }
double year(const Moment& m) { return static_cast<double>(m.year); }

template <double (*part)(const Moment&)>
Result<StreamPtr> date_part(const CallSite& site) {
  if (site.call.args.empty()) {
    Row row;
    row.reset(site.steps.count);
    for (size_t i = 0; i < row.steps(); ++i)
      row.set(i, part(moment_of(std::floor(static_cast<double>(site.steps.at(i)) / 1000))));
    std::vector<Row> rows;
    rows.push_back(std::move(row));
    return from_rows({SeriesInfo{}}, std::move(rows));
  }
  auto input = site.planner.vector(site.argument(0), site.steps);
  if (!input) return input;
  return map_series(std::move(input).value(), MetricName::Drop, site.steps, site.context(),
                    [](Row& row) -> Status {
                      row.drop_histograms();
                      for_each_present(row.present, [&](size_t step) {
                        row.values[step] = part(moment_of(row.values[step]));
                      });
                      return {};
                    });
}

constexpr FunctionImplementation kFunctions[] = {
    {"minute", date_part<minute>},
    {"hour", date_part<hour>},
    {"day_of_week", date_part<day_of_week>},
    {"day_of_month", date_part<day_of_month>},
    {"day_of_year", date_part<day_of_year>},
    {"days_in_month", date_part<days_in_month>},
    {"month", date_part<month>},
    {"year", date_part<year>},
};

}  // namespace

std::span<const FunctionImplementation> date_functions() { return kFunctions; }

}  // namespace aerie::query
