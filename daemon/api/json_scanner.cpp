#include "daemon/api/json_scanner.h"

#include "daemon/api/json_writer.h"

namespace qwend {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
/// -1 if it is none.
int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void append_utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
        out += char(c);
    } else if (c < 0x800) {
        out += {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
        out += {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
    } else {
        out += {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 0x3F)), char(0x80 | (c >> 6 & 0x3F)),
                char(0x80 | (c & 0x3F))};
    }
}

/// The four digits at `at`, which are there.
uint32_t hex4(std::string_view text, size_t at) {
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) value = value << 4 | uint32_t(hex_value(text[i]));
    return value;
}

/// The code point of the \u escape whose digits begin at `at`, which moves behind it.
uint32_t escaped_code_point(std::string_view text, size_t& at) {
    constexpr uint32_t kReplacement = 0xFFFD;
    const uint32_t high = hex4(text, at);
    at += 4;
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || text.substr(at, 2) != "\\u") return kReplacement;
    const uint32_t low = hex4(text, at + 2);
    if (low < 0xDC00 || low > 0xDFFF) return kReplacement;
    at += 6;
    return 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
}

}  // namespace

JsonScanner::Status JsonScanner::push(char c) {
    state_ = next(c);
    if (state_ == State::error) return Status::error;
    return state_ == State::done ? Status::done : Status::open;
}

JsonScanner::State JsonScanner::next(char c) {
    switch (state_) {
        case State::value:
            return is_space(c) ? state_ : begin_value(c);
        case State::first_element:
            if (c == ']') return close(false);
            return is_space(c) ? state_ : begin_value(c);
        case State::first_key:
        case State::key:
            if (c == '}' && state_ == State::first_key) return close(true);
            if (is_space(c)) return state_;
            is_key_ = true;
            return c == '"' ? State::string : State::error;
        case State::colon:
            if (is_space(c)) return state_;
            return c == ':' ? State::value : State::error;
        case State::after_value:
            if (is_space(c)) return state_;
            if (c == ',') return in_object_.back() ? State::key : State::value;
            return c == '}' || c == ']' ? close(c == '}') : State::error;
        case State::string:
            if (c == '\\') return State::escape;
            if (c != '"') return state_;
            return is_key_ ? State::colon : end_value();
        case State::escape:
            n_hex_ = 0;
            if (c == 'u') return State::hex;
            return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos ? State::string
                                                                                    : State::error;
        case State::hex:
            if (hex_value(c) < 0) return State::error;
            return ++n_hex_ == 4 ? State::string : State::hex;
        case State::literal:
            if (c != *rest_) return State::error;
            return *++rest_ ? State::literal : end_value();
        case State::done:
        case State::error:
            return State::error;
        default:
            return number(c);
    }
}

JsonScanner::State JsonScanner::begin_value(char c) {
    switch (c) {
        case '{':
        case '[':
            in_object_.push_back(c == '{');
            return c == '{' ? State::first_key : State::first_element;
        case '"':
            is_key_ = false;
            return State::string;
        case 't':
            rest_ = "rue";
            return State::literal;
        case 'f':
            rest_ = "alse";
            return State::literal;
        case 'n':
            rest_ = "ull";
            return State::literal;
        case '-':
            return State::minus;
        case '0':
            return State::zero;
        default:
            return is_digit(c) ? State::integer : State::error;
    }
}

JsonScanner::State JsonScanner::close(bool object) {
    if (in_object_.empty() || in_object_.back() != object) return State::error;
    in_object_.pop_back();
    return end_value();
}

/// Inside a number. What can end it is looked at as what follows a value.
JsonScanner::State JsonScanner::number(char c) {
    const bool digit = is_digit(c), e = c == 'e' || c == 'E';
    switch (state_) {
        case State::minus:
            return c == '0' ? State::zero : digit ? State::integer : State::error;
        case State::point:
            return digit ? State::fraction : State::error;
        case State::exponent:
            if (c == '+' || c == '-') return State::exponent_sign;
            return digit ? State::exponent_digits : State::error;
        case State::exponent_sign:
            return digit ? State::exponent_digits : State::error;
        case State::integer:
            if (digit) return state_;
            [[fallthrough]];
        case State::zero:
            if (c == '.') return State::point;
            if (e) return State::exponent;
            break;
        case State::fraction:
            if (digit) return state_;
            if (e) return State::exponent;
            break;
        default:
            if (digit) return state_;
    }
    if (in_object_.empty()) return is_space(c) ? state_ : State::error;
    state_ = State::after_value;
    return next(c);
}

std::string unescape_json(std::string_view escaped) {
    std::string out;
    for (size_t at = 0; at < escaped.size();) {
        if (escaped[at] != '\\') {
            out += escaped[at++];
            continue;
        }
        const char c = escaped[at + 1];
        at += 2;
        if (c == 'u') {
            append_utf8(out, escaped_code_point(escaped, at));
            continue;
        }
        constexpr std::string_view kNames = "bfnrt", kMeant = "\b\f\n\r\t";
        const size_t named = kNames.find(c);
        out += named == std::string_view::npos ? c : kMeant[named];
    }
    return out;
}

void append_json_byte(std::string& out, char c, bool in_string) {
    if (in_string && uint8_t(c) < 0x20)
        append_json_escaped(out, {&c, 1});
    else
        out += c;
}

std::string clean_json_object(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const size_t begin = text.find_first_not_of(kSpace), end = text.find_last_not_of(kSpace);
    if (begin == std::string_view::npos || text[begin] != '{') return {};
    text = text.substr(begin, end + 1 - begin);
    JsonScanner scanner;
    std::string out;
    auto status = JsonScanner::Status::open;
    for (char c : text) {
        append_json_byte(out, c, scanner.in_string());
        status = scanner.push(c);
        if (status == JsonScanner::Status::error) return {};
    }
    return status == JsonScanner::Status::done ? out : std::string();
}

}  // namespace qwend
