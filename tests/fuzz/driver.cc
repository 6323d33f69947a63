// Stands in for libFuzzer where the compiler has none (GCC): mutates a small corpus for a bounded
// time. Usage:
//   x_fuzz [--seconds=N] [--seed=N] [FILE…]        files are run once each, as for a reproducer
// A crash leaves the input in crash-<target> in the working directory; the seed is printed at the
// start.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kMaxInput = 4096;
constexpr size_t kMaxCorpus = 256;

Bytes g_current;  // what was running when the process died; the signal handler writes it out

void save_crash(int signal_number) {
  if (std::FILE* file = std::fopen("crash-input", "wb")) {
    std::fwrite(g_current.data(), 1, g_current.size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "crashed with signal %d; the input is in crash-input\n", signal_number);
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void run(const Bytes& input) {
  g_current = input;
  LLVMFuzzerTestOneInput(g_current.data(), g_current.size());
}

Bytes mutate(Bytes input, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  static constexpr uint64_t kInteresting[] = {0,      1,      0x7f,       0x80,       0xff,
                                              0x7fff, 0xffff, 0x7fffffff, 0xffffffff, ~0ull};
  const size_t changes = 1 + random() % 8;
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = input.empty() ? 0 : random() % input.size();
    switch (random() % 7) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<uint8_t>(1u << (random() % 8));
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        input.insert(input.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
        break;
      case 3:
        if (!input.empty()) input.erase(input.begin() + static_cast<ptrdiff_t>(at));
        break;
      case 4: input.resize(at); break;
      case 5: {
        const uint64_t value = kInteresting[random() % std::size(kInteresting)];
        for (size_t k = 0; k < 1 + random() % 8 && at + k < input.size(); ++k) {
          input[at + k] = static_cast<uint8_t>(value >> (8 * k));
        }
        break;
      }
      default: {
        const Bytes& other = corpus[random() % corpus.size()];
        if (other.empty()) break;
        const size_t from = random() % other.size();
        const size_t length = std::min<size_t>(1 + random() % 64, other.size() - from);
        input.insert(input.begin() + static_cast<ptrdiff_t>(at),
                     other.begin() + static_cast<ptrdiff_t>(from),
                     other.begin() + static_cast<ptrdiff_t>(from + length));
      }
    }
  }
  if (input.size() > kMaxInput) input.resize(kMaxInput);
  return input;
}

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 5;
  uint64_t seed = std::random_device{}();
  std::vector<Bytes> corpus;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--seconds=")) {
      seconds = std::strtod(argv[i] + 10, nullptr);
    } else if (argument.starts_with("--seed=")) {
      seed = std::strtoull(argv[i] + 7, nullptr, 10);
    } else {
      corpus.push_back(read_file(argv[i]));
    }
  }
  if (const char* wanted = std::getenv("AERIE_FUZZ_SECONDS"))
    seconds = std::strtod(wanted, nullptr);
  std::printf("seed=%llu seconds=%g corpus=%zu\n", static_cast<unsigned long long>(seed), seconds,
              corpus.size());
  std::fflush(stdout);
  for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS})
    std::signal(number, save_crash);

  std::mt19937_64 random(seed);
  for (const Bytes& input : corpus) run(input);
  if (corpus.empty()) corpus.emplace_back();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t runs = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 64; ++i, ++runs) {
      Bytes input = mutate(corpus[random() % corpus.size()], corpus, random);
      run(input);
      if (random() % 64 == 0) {
        if (corpus.size() < kMaxCorpus) {
          corpus.push_back(std::move(input));
        } else {
          corpus[random() % corpus.size()] = std::move(input);
        }
      }
    }
  }
  std::printf("%llu runs without a crash\n", static_cast<unsigned long long>(runs));
  return 0;
}
