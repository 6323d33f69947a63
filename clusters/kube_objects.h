#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "clusters/fleet.h"
#include "clusters/timeline.h"
#include "http/json_writer.h"

// The fleet as objects of the Kubernetes API group status.aerie.io/v1alpha1. Pure.

namespace aerie::clusters {

inline constexpr std::string_view kKubeGroup = "status.aerie.io";
inline constexpr std::string_view kKubeVersion = "v1alpha1";

enum class KubeResource : uint8_t { Clusters, FederatedWorkloads, WorkloadStatuses, RolloutEvents };

/// How discovery describes it.
struct KubeResourceNames {
  KubeResource resource;
  std::string_view plural;
  std::string_view singular;
  std::string_view kind;
  std::string_view short_name;
  bool namespaced;
};
std::span<const KubeResourceNames> kube_resources();
/// By plural name; null: there is no such resource.
const KubeResourceNames* find_kube_resource(std::string_view plural);

struct KubeColumn {
  std::string_view name;
  std::string_view type;  ///< string or integer
  bool wide;              ///< only with -o wide
};
std::span<const KubeColumn> kube_columns(KubeResource resource);

/// One object: where it stands, what selectors see of it, and what it is made from.
struct KubeItem {
  std::string space;  ///< empty for those without a namespace
  std::string name;
  uint64_t version = 0;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> fields;
  std::variant<ClusterRow, std::shared_ptr<const FederatedRow>, RowPtr, EntryPtr> source;
};

/// Whose objects: one cluster's (empty: all), one namespace's (empty: all).
struct KubeScope {
  std::string cluster;
  std::string space;
};

/// All objects of the scope, worst first (events: oldest first).
std::vector<KubeItem> kube_items(KubeResource resource, const FleetSnapshot& fleet,
                                 const Timeline& timeline, const KubeScope& scope);

/// The object, with apiVersion and kind.
void write_kube_object(http::JsonWriter& json, const KubeResourceNames& names, const KubeItem& item,
                       const FleetSnapshot& fleet);
/// Its metadata as `kind: PartialObjectMetadata`, for rows of tables.
void write_kube_metadata(http::JsonWriter& json, const KubeItem& item);
/// The cells of a table's row, one for each column.
void write_kube_cells(http::JsonWriter& json, KubeResource resource, const KubeItem& item,
                      const FleetSnapshot& fleet);

}  // namespace aerie::clusters
