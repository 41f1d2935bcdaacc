#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A GGUF file to be, written from the format's description.
class GgufWriter {
  public:
    template <typename T>
    static std::string bytes(T value) {
        std::string made(sizeof value, '\0');
        std::memcpy(made.data(), &value, sizeof value);
        return made;
    }
    static std::string string(std::string_view text) {
        return bytes(uint64_t(text.size())) + std::string(text);
    }

    /// `value`: with its type, as the functions below make one.
    GgufWriter& add(const std::string& key, const std::string& value) {
        values_.emplace_back(key, value);
        return *this;
    }
    /// In place of the one that is there.
    GgufWriter& set(const std::string& key, const std::string& value) {
        remove(key);
        return add(key, value);
    }
    GgufWriter& remove(const std::string& key) {
        std::erase_if(values_, [&](auto& each) { return each.first == key; });
        return *this;
    }

    static std::string u32(uint32_t value) { return bytes(uint32_t(4)) + bytes(value); }
    static std::string u64(uint64_t value) { return bytes(uint32_t(10)) + bytes(value); }
    static std::string i32(int32_t value) { return bytes(uint32_t(5)) + bytes(value); }
    static std::string f32(float value) { return bytes(uint32_t(6)) + bytes(value); }
    static std::string boolean(bool value) { return bytes(uint32_t(7)) + std::string(1, value); }
    static std::string text(std::string_view value) { return bytes(uint32_t(8)) + string(value); }
    static std::string array(uint32_t type, uint64_t n, const std::string& elements) {
        return bytes(uint32_t(9)) + bytes(type) + bytes(n) + elements;
    }
    static std::string texts(const std::vector<std::string>& values) {
        std::string elements;
        for (const auto& value : values) elements += string(value);
        return array(8, values.size(), elements);
    }
    static std::string i32s(const std::vector<int32_t>& values) {
        std::string elements;
        for (int32_t value : values) elements += bytes(value);
        return array(5, values.size(), elements);
    }

    /// `shape`: row-major, as everybody else has it; `type`: its number in the file.
    GgufWriter& tensor(const std::string& name, const std::vector<int64_t>& shape, uint32_t type,
                       const std::string& data) {
        tensors_.push_back({name, shape, type, data_.size()});
        data_ += data;
        data_.resize((data_.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    GgufWriter& offset(uint64_t of_last) {
        tensors_.back().offset = of_last;
        return *this;
    }

    std::string header() const {
        std::string made = magic + bytes(version) + bytes(n_tensors ? n_tensors : tensors_.size()) +
                           bytes(n_values ? n_values : values_.size());
        for (auto& [key, value] : values_) made += string(key) + value;
        for (const Tensor& tensor : tensors_) {
            made += string(tensor.name) + bytes(uint32_t(tensor.shape.size()));
            for (size_t i = tensor.shape.size(); i-- > 0;) made += bytes(tensor.shape[i]);
            made += bytes(tensor.type) + bytes(tensor.offset);
        }
        return made;
    }
    std::string content() const {
        std::string made = header();
        made.resize((made.size() + alignment - 1) / alignment * alignment);
        return made + data_;
    }

    // To be spoilt; 0: as many as there are.
    std::string magic = "GGUF";
    uint32_t version = 3;
    uint64_t n_tensors = 0, n_values = 0;
    size_t alignment = 32;

  private:
    struct Tensor {
        std::string name;
        std::vector<int64_t> shape;
        uint32_t type;
        uint64_t offset;
    };
    std::vector<std::pair<std::string, std::string>> values_;
    std::vector<Tensor> tensors_;
    std::string data_;
};
