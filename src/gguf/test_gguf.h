// GGUF files for tests, built byte by byte, so that tests can also make invalid ones.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace fakequant {

// A temporary folder that its destructor removes.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "fakequant-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename().string());
    return names;
  }

 private:
  std::filesystem::path path_;
};

template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

inline std::string raw_text(std::string_view text) { return raw<std::uint64_t>(text.size()) + std::string(text); }

// The bytes of a GGUF file.
class TestGguf {
 public:
  TestGguf& key(std::string_view name, std::uint32_t type, const std::string& value) {
    keys_ += raw_text(name) + raw(type) + value;
    ++key_count;
    return *this;
  }
  TestGguf& text(std::string_view name, std::string_view value) { return key(name, 8, raw_text(value)); }
  TestGguf& number(std::string_view name, std::uint32_t value) { return key(name, 4, raw(value)); }

  // Appends the data at the next multiple of 32.
  TestGguf& tensor(std::string_view name, const std::vector<std::int64_t>& shape, std::uint32_t type,
                   std::string_view data) {
    return tensor_at(name, shape, type, data_.size()).data(data);
  }
  TestGguf& tensor_at(std::string_view name, const std::vector<std::int64_t>& shape, std::uint32_t type,
                      std::uint64_t offset) {
    infos_ += raw_text(name) + raw(static_cast<std::uint32_t>(shape.size()));
    for (const auto length : shape) infos_ += raw(length);
    infos_ += raw(type) + raw(offset);
    ++tensor_count;
    return *this;
  }
  TestGguf& data(std::string_view bytes) {
    data_ += bytes;
    data_.resize((data_.size() + 31) / 32 * 32);
    return *this;
  }
  TestGguf& floats(std::string_view name, const std::vector<float>& values) {
    return tensor(name, {static_cast<std::int64_t>(values.size())}, 0,
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }

  std::string bytes() const {
    auto all = magic + raw(version) + raw(tensor_count) + raw(key_count) + keys_ + infos_;
    if (tensor_count > 0) all.resize((all.size() + 31) / 32 * 32);
    return all + data_;
  }

  // Tests may set these to wrong values.
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t tensor_count = 0;
  std::uint64_t key_count = 0;

 private:
  std::string keys_, infos_, data_;
};

}  // namespace fakequant
