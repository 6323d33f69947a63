#include "bench/load/plans.h"

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace aerie::bench {
namespace {

std::vector<std::string> numbered(std::string_view prefix, int count) {
  std::vector<std::string> values;
  for (int i = 0; i < count; ++i) values.push_back(fmt::format("{}{}", prefix, i));
  return values;
}

void add(std::vector<SeriesPlan>& plans, ValueClass value_class,
         const std::vector<std::string_view>& names, std::string_view label = {},
         const std::vector<std::string>& values = {""}, uint8_t decimals = 0) {
  for (const std::string_view name : names) {
    for (const std::string& value : values) {
      SeriesPlan plan{std::string(name), value_class, decimals, 0, 0, {}};
      if (!label.empty()) plan.labels.emplace_back(label, value);
      plans.push_back(std::move(plan));
    }
  }
}

}  // namespace

// 335 + 91 + 20 + 61 = 507.
std::vector<SeriesPlan> node_plans() {
  std::vector<SeriesPlan> plans;
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
  add(plans, ValueClass::Constant,
      {"node_filesystem_avail_bytes", "node_filesystem_device_error", "node_filesystem_files",
       "node_filesystem_files_free", "node_filesystem_free_bytes", "node_filesystem_mount_info",
       "node_filesystem_purgeable_bytes", "node_filesystem_readonly", "node_filesystem_size_bytes",
       "node_filesystem_reserved_bytes"},
      "mountpoint", mounts);
  add(plans, ValueClass::Constant,
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
  add(plans, ValueClass::Constant, {"node_uname_info", "node_os_info", "node_exporter_build_info"});
  add(plans, ValueClass::Constant, {"node_scrape_collector_success"}, "collector", collectors);

  add(plans, ValueClass::IntegerCounter,
      {"node_network_receive_bytes_total", "node_network_receive_packets_total",
       "node_network_transmit_bytes_total", "node_network_transmit_packets_total"},
      "device", nics);
  add(plans, ValueClass::IntegerCounter, {"node_disk_reads_completed_total"}, "device", disks);
  add(plans, ValueClass::IntegerCounter,
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
  add(plans, ValueClass::IntegerGauge,
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

  const std::vector<std::string> modes = {"idle", "iowait", "softirq", "system", "user"};
  for (const std::string& cpu : cpus) {
    for (const std::string& mode : modes) {
      plans.push_back({"node_cpu_seconds_total",
                       ValueClass::DecimalCounter,
                       2,
                       0,
                       0,
                       {{"cpu", cpu}, {"mode", mode}}});
    }
  }
  // The kernel counts disk times in milliseconds, run queues in nanoseconds, pressure in
  // microseconds.
  add(plans, ValueClass::DecimalCounter,
      {"node_disk_discard_time_seconds_total", "node_disk_flush_requests_time_seconds_total",
       "node_disk_io_time_seconds_total", "node_disk_io_time_weighted_seconds_total",
       "node_disk_read_time_seconds_total", "node_disk_write_time_seconds_total"},
      "device", disks, 3);
  add(plans, ValueClass::DecimalCounter,
      {"node_schedstat_running_seconds_total", "node_schedstat_waiting_seconds_total"}, "cpu", cpus,
      9);
  add(plans, ValueClass::DecimalCounter,
      {"node_pressure_cpu_waiting_seconds_total", "node_pressure_io_stalled_seconds_total",
       "node_pressure_io_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total",
       "node_pressure_memory_waiting_seconds_total"},
      {}, {""}, 6);
  return plans;
}

}  // namespace aerie::bench
