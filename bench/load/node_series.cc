#include "bench/load/node_series.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace aerie::bench {
namespace {

struct Family {
  std::string_view name;
  ValueClass value_class;
  std::string_view first_label;  // empty: none
  std::vector<std::string> first_values;
  std::string_view second_label;  // empty: none
  std::vector<std::string> second_values;

  size_t size() const {
    return (first_label.empty() ? 1 : first_values.size()) *
           (second_label.empty() ? 1 : second_values.size());
  }
};

std::vector<std::string> numbered(std::string_view prefix, int count) {
  std::vector<std::string> values;
  for (int i = 0; i < count; ++i) values.push_back(fmt::format("{}{}", prefix, i));
  return values;
}

void add(std::vector<Family>& families, ValueClass value_class,
         const std::vector<std::string_view>& names, std::string_view label = {},
         const std::vector<std::string>& values = {}) {
  for (const std::string_view name : names)
    families.push_back({name, value_class, label, values, {}, {}});
}

// 335 + 91 + 20 + 61 = 507.
std::vector<Family> make_families() {
  std::vector<Family> families;
  const auto nics = numbered("eth", 8);
  const auto disks = numbered("nvme", 8);
  const auto cpus = numbered("", 4);
  std::vector<std::string> mounts;
  for (int i = 0; i < 12; ++i) mounts.push_back(fmt::format("/var/lib/kubelet/pods/volume-{}", i));
  std::vector<std::string> collectors;
  for (const char* name :
       {"arp",       "bcache",       "bonding",  "btrfs",       "conntrack",  "cpu",
        "cpufreq",   "diskstats",    "dmi",      "edac",        "entropy",    "fibrechannel",
        "filefd",    "filesystem",   "hwmon",    "infiniband",  "ipvs",       "loadavg",
        "mdadm",     "meminfo",      "netclass", "netdev",      "netstat",    "nfs",
        "nfsd",      "nvme",         "os",       "powersupply", "pressure",   "rapl",
        "schedstat", "selinux",      "sockstat", "softnet",     "stat",       "tapestats",
        "textfile",  "thermal_zone", "time",     "timex",       "udp_queues", "uname",
        "vmstat",    "xfs"}) {
    collectors.emplace_back(name);
  }
  add(families, ValueClass::Constant,
      {"node_filesystem_avail_bytes", "node_filesystem_device_error", "node_filesystem_files",
       "node_filesystem_files_free", "node_filesystem_free_bytes", "node_filesystem_mount_info",
       "node_filesystem_purgeable_bytes", "node_filesystem_readonly", "node_filesystem_size_bytes",
       "node_filesystem_reserved_bytes"},
      "mountpoint", mounts);
  add(families, ValueClass::Constant,
      {"node_network_receive_errs_total",
       "node_network_receive_drop_total",
       "node_network_receive_fifo_total",
       "node_network_receive_frame_total",
       "node_network_receive_compressed_total",
       "node_network_receive_multicast_total",
       "node_network_transmit_errs_total",
       "node_network_transmit_drop_total",
       "node_network_transmit_fifo_total",
       "node_network_transmit_colls_total",
       "node_network_transmit_carrier_total",
       "node_network_transmit_compressed_total",
       "node_network_mtu_bytes",
       "node_network_speed_bytes",
       "node_network_up",
       "node_network_info",
       "node_network_carrier",
       "node_network_dormant",
       "node_network_flags",
       "node_network_iface_id",
       "node_network_protocol_type"},
      "device", nics);
  add(families, ValueClass::Constant,
      {"node_uname_info", "node_os_info", "node_exporter_build_info"});
  add(families, ValueClass::Constant, {"node_scrape_collector_success"}, "collector", collectors);

  add(families, ValueClass::IntegerCounter,
      {"node_network_receive_bytes_total", "node_network_receive_packets_total",
       "node_network_transmit_bytes_total", "node_network_transmit_packets_total"},
      "device", nics);
  add(families, ValueClass::IntegerCounter, {"node_disk_reads_completed_total"}, "device", disks);
  add(families, ValueClass::IntegerCounter,
      {"node_context_switches_total",
       "node_intr_total",
       "node_forks_total",
       "node_vmstat_pgfault",
       "node_vmstat_pgmajfault",
       "node_vmstat_pgpgin",
       "node_vmstat_pgpgout",
       "node_vmstat_pswpin",
       "node_vmstat_pswpout",
       "node_vmstat_oom_kill",
       "node_netstat_Icmp_InMsgs",
       "node_netstat_Icmp_OutMsgs",
       "node_netstat_Ip_Forwarding",
       "node_netstat_IpExt_InOctets",
       "node_netstat_IpExt_OutOctets",
       "node_netstat_Tcp_ActiveOpens",
       "node_netstat_Tcp_InSegs",
       "node_netstat_Tcp_OutSegs",
       "node_netstat_Tcp_PassiveOpens",
       "node_netstat_Tcp_RetransSegs",
       "node_netstat_TcpExt_SyncookiesSent",
       "node_netstat_TcpExt_TCPTimeouts",
       "node_netstat_Udp_InDatagrams",
       "node_netstat_Udp_OutDatagrams",
       "node_netstat_Udp_NoPorts",
       "node_softnet_processed_total",
       "node_softnet_times_squeezed_total"});
  add(families, ValueClass::IntegerGauge,
      {"node_memory_MemAvailable_bytes",
       "node_memory_MemFree_bytes",
       "node_memory_Cached_bytes",
       "node_memory_Buffers_bytes",
       "node_memory_Active_bytes",
       "node_memory_Inactive_bytes",
       "node_memory_Dirty_bytes",
       "node_memory_Writeback_bytes",
       "node_memory_AnonPages_bytes",
       "node_memory_Mapped_bytes",
       "node_memory_Slab_bytes",
       "node_memory_SReclaimable_bytes",
       "node_memory_PageTables_bytes",
       "node_memory_KernelStack_bytes",
       "node_memory_Committed_AS_bytes",
       "node_procs_running",
       "node_procs_blocked",
       "node_filefd_allocated",
       "node_sockstat_TCP_alloc",
       "node_sockstat_TCP_inuse",
       "node_sockstat_TCP_tw",
       "node_sockstat_UDP_inuse",
       "node_nf_conntrack_entries",
       "node_entropy_available_bits"});

  families.push_back({"node_cpu_seconds_total",
                      ValueClass::TwoDecimals,
                      "cpu",
                      cpus,
                      "mode",
                      {"idle", "iowait", "softirq", "system", "user"}});
  add(families, ValueClass::ManyDecimals,
      {"node_disk_discard_time_seconds_total", "node_disk_flush_requests_time_seconds_total",
       "node_disk_io_time_seconds_total", "node_disk_io_time_weighted_seconds_total",
       "node_disk_read_time_seconds_total", "node_disk_write_time_seconds_total"},
      "device", disks);
  add(families, ValueClass::ManyDecimals,
      {"node_schedstat_running_seconds_total", "node_schedstat_waiting_seconds_total"}, "cpu",
      cpus);
  add(families, ValueClass::ManyDecimals,
      {"node_pressure_cpu_waiting_seconds_total", "node_pressure_io_stalled_seconds_total",
       "node_pressure_io_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total",
       "node_pressure_memory_waiting_seconds_total"});
  return families;
}

struct Place {
  Family family;
  std::string first_value;
  std::string second_value;
};

// The series of a target in scrape order; the same for all targets.
std::vector<Place> make_places() {
  std::vector<Place> places;
  for (const Family& family : make_families()) {
    for (size_t i = 0; i < family.size(); ++i) {
      const size_t seconds = family.second_label.empty() ? 1 : family.second_values.size();
      places.push_back({family, family.first_label.empty() ? "" : family.first_values[i / seconds],
                        family.second_label.empty() ? "" : family.second_values[i % seconds]});
    }
  }
  return places;
}

void add_label(std::string& records, std::string_view name, std::string_view value) {
  // All our names and values are shorter than 128 bytes, their lengths take one byte.
  records += '\x0a';
  records += static_cast<char>(4 + name.size() + value.size());
  records += '\x0a';
  records += static_cast<char>(name.size());
  records += name;
  records += '\x12';
  records += static_cast<char>(value.size());
  records += value;
}

uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

NodeSeries::NodeSeries(uint32_t target, uint32_t index, uint64_t seed)
    : state_(mix(seed ^ mix(static_cast<uint64_t>(target) << 32 | index))) {
  static const std::vector<Place> places = make_places();
  const Place& place = places.at(index);
  value_class_ = place.family.value_class;
  // Sorted by name, as Prometheus sends them. Targets are spread over four clusters.
  std::vector<std::pair<std::string_view, std::string>> labels = {
      {"__name__", std::string(place.family.name)},
      {"cluster", fmt::format("prod-eu-{}", target % 4 + 1)},
      {"environment", "production"},
      {"instance", fmt::format("10.{}.{}.{}:9100", target % 4, target / 250, target % 250)},
      {"job", "node-exporter"},
      {"zone", fmt::format("eu-west-1{}", static_cast<char>('a' + target % 3))}};
  if (!place.family.first_label.empty())
    labels.emplace_back(place.family.first_label, place.first_value);
  if (!place.family.second_label.empty())
    labels.emplace_back(place.family.second_label, place.second_value);
  std::sort(labels.begin(), labels.end());
  for (const auto& [name, value] : labels) add_label(label_records_, name, value);

  const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
  rate_ = 1 + unit * 1000;
  integer_ = static_cast<int64_t>(random() % 1'000'000'000);
  value_ = value_class_ == ValueClass::Constant
               ? static_cast<double>(random() % 4 == 0 ? integer_ : integer_ % 2)
               : unit * 100'000;
}

uint64_t NodeSeries::random() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_;
}

double NodeSeries::next() {
  const uint64_t bits = random();
  const double unit = static_cast<double>(bits >> 11) * 0x1p-53;
  switch (value_class_) {
    case ValueClass::Constant: return value_;
    case ValueClass::IntegerCounter:
      integer_ += static_cast<int64_t>(rate_ * 2 * unit);
      return static_cast<double>(integer_);
    case ValueClass::IntegerGauge:
      integer_ += static_cast<int64_t>(rate_ * 8192 * (unit - 0.5)) / 4096 * 4096;
      if (integer_ < 0) integer_ = -integer_;
      return static_cast<double>(integer_);
    case ValueClass::TwoDecimals:
      integer_ += static_cast<int64_t>(1500 * unit);
      return static_cast<double>(integer_) / 100;
    case ValueClass::ManyDecimals: value_ += rate_ * unit * 1e-3; return value_;
  }
  return value_;
}

int64_t scrape_phase_ms(uint32_t target, int64_t interval_ms) {
  return static_cast<int64_t>(mix(target) % static_cast<uint64_t>(interval_ms));
}

}  // namespace aerie::bench
