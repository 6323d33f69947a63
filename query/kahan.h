#pragma once

#include <cmath>
#include <limits>

namespace aerie::query {

/// Neumaier's compensated sum with the exact operations, in the exact order, of Prometheus's
/// util/kahansum: results are compared with Prometheus's bit by bit. An infinite sum forgets its
/// compensation.
struct KahanSum {
  double sum = 0;
  double compensation = 0;

  void add(double value) {
    const double total = sum + value;
    if (std::fabs(total) > std::numeric_limits<double>::max()) {
      compensation = 0;
    } else if (std::fabs(sum) >= std::fabs(value)) {
      compensation += (sum - total) + value;
    } else {
      compensation += (value - total) + sum;
    }
    sum = total;
  }
};

/// The mean over a sequence: directly, and incrementally from where the sum would overflow.
class KahanMean {
 public:
  explicit KahanMean(double first) : sum_{first, 0} {}
  void add(double value) {
    count_ += 1;
    if (!incremental_) {
      KahanSum next = sum_;
      next.add(value);
      if (!std::isinf(next.sum)) {
        sum_ = next;
        return;
      }
      incremental_ = true;
      sum_.sum /= count_ - 1;
      sum_.compensation /= count_ - 1;
    }
    const double weight = (count_ - 1) / count_;
    sum_.sum *= weight;
    sum_.compensation *= weight;
    sum_.add(value / count_);
  }
  double mean() const {
    if (incremental_) return sum_.sum + sum_.compensation;
    return sum_.sum / count_ + sum_.compensation / count_;
  }

 private:
  KahanSum sum_;  // of the values, or of value / count once incremental
  double count_ = 1;
  bool incremental_ = false;
};

}  // namespace aerie::query
