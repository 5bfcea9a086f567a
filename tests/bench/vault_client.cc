// The plain client of the comparison: what libcurl does with one kept connection.
//
//   bench_vault_client cold CA URL PATH FIRST COUNT    GETs of URL and opens of PATH, in turns; {} is a number in both
//   bench_vault_client load CA URL RATE SECONDS COUNT  RATE GETs of URL per second; {} goes around below COUNT
//
// The token comes by standard input. `cold` prints medians as JSON, in microseconds: of a GET, of open, read to the end
// and close, and of their difference, pair by pair; whichever comes first in a pair alternates. `load` prints how many
// requests it made.
#include <curl/curl.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

std::string Filled(const std::string& pattern, int number) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string::npos) return pattern;
  return pattern.substr(0, hole) + std::to_string(number) + pattern.substr(hole + 2);
}

double MicrosecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

size_t Drop(char*, size_t size, size_t count, void* total) {
  *static_cast<size_t*>(total) += size * count;
  return size * count;
}

class Getter {
 public:
  Getter(const std::string& ca, const std::string& token) : handle_(curl_easy_init()) {
    headers_ = curl_slist_append(nullptr, ("X-Vault-Token: " + token).c_str());
    headers_ = curl_slist_append(headers_, "X-Vault-Request: true");
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(handle_, CURLOPT_CAINFO, ca.c_str());
    // What leasefs speaks too, and quicker than HTTP/2 by a tenth of a millisecond.
    curl_easy_setopt(handle_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, Drop);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &received_);
  }
  ~Getter() {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(headers_);
  }

  // The time it took. Anything but a 200 with a body ends the program.
  double Get(const std::string& url) {
    received_ = 0;
    curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    const auto start = Clock::now();
    const CURLcode code = curl_easy_perform(handle_);
    const double took = MicrosecondsSince(start);
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200 || received_ == 0) {
      std::fprintf(stderr, "%s: %s, status %ld\n", url.c_str(), curl_easy_strerror(code), status);
      std::exit(4);
    }
    return took;
  }

  int major_version() const {
    long version = 0;
    curl_easy_getinfo(handle_, CURLINFO_HTTP_VERSION, &version);
    return version == CURL_HTTP_VERSION_2_0 ? 2 : 1;
  }

 private:
  CURL* handle_;
  curl_slist* headers_ = nullptr;
  size_t received_ = 0;
};

double ReadFile(const std::string& path) {
  char buffer[4096];
  const auto start = Clock::now();
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ssize_t total = 0, count = -1;
  while (fd >= 0 && (count = read(fd, buffer, sizeof buffer)) > 0) total += count;
  if (fd >= 0) close(fd);
  const double took = MicrosecondsSince(start);
  if (count != 0 || total == 0) {
    std::perror(path.c_str());
    std::exit(5);
  }
  return took;
}

int Cold(Getter& getter, char** argv) {
  const std::string url = argv[3], path = argv[4];
  const int first = std::atoi(argv[5]), end = first + std::atoi(argv[6]);
  std::vector<double> gets, opens, differences;
  getter.Get(Filled(url, first));  // the handshake
  for (int number = first; number < end; ++number) {
    double get = 0, open = 0;
    if (number % 2 == 0) get = getter.Get(Filled(url, number));
    open = ReadFile(Filled(path, number));
    if (number % 2 == 1) get = getter.Get(Filled(url, number));
    gets.push_back(get);
    opens.push_back(open);
    differences.push_back(open - get);
  }
  std::printf("{\"get\": %.1f, \"open\": %.1f, \"difference\": %.1f, \"http\": %d}\n", Median(gets), Median(opens),
              Median(differences), getter.major_version());
  return 0;
}

int Load(Getter& getter, char** argv) {
  const double rate = std::atof(argv[4]), seconds = std::atof(argv[5]);
  const int around = std::atoi(argv[6]);
  const auto start = Clock::now();
  int done = 0;
  for (; done < rate * seconds; ++done) {
    const std::chrono::duration<double> due(done / rate);
    std::this_thread::sleep_until(start + std::chrono::duration_cast<Clock::duration>(due));
    getter.Get(Filled(argv[3], done % around));
  }
  std::printf("%d\n", done);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  std::string token;
  std::getline(std::cin, token);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Getter getter(argv[2], token);
  return std::string(argv[1]) == "cold" ? Cold(getter, argv) : Load(getter, argv);
}
