#include "tests/bench/load/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/bench/load/alarm.h"

namespace qwend::load {

namespace {

constexpr size_t kMostSaid = 200;  // bytes of a server's answer in a failure

uv_stream_t* stream_of(uv_tcp_t& tcp) {
    return reinterpret_cast<uv_stream_t*>(&tcp);
}

}  // namespace

struct Client::Socket {
    uv_tcp_t tcp{};
    uv_connect_t connect{};
    Client* client;  // nullptr: closing
    int error = 0;   // why it could not even begin to connect

    /// The rest of a request that did not fit into the kernel's buffer at once.
    struct Rest {
        uv_write_t write{};
        std::string bytes;
    };
};

Client::Client(Server& server) : server_(server) {}

void Client::send(std::string request, double due, OnDone on_done) {
    request_ = std::move(request);
    on_done_ = std::move(on_done);
    outcome_ = Outcome{};
    outcome_.due = due;
    outcome_.sent = now_s();
    is_busy_ = true;
    is_reused_ = socket_ != nullptr;
    socket_ ? write() : connect();
}

llhttp_settings_t Client::parser_settings() {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_body = [](llhttp_t* parser, const char* at, size_t n) {
        static_cast<Client*>(parser->data)->on_body(std::string_view(at, n));
        return 0;
    };
    settings.on_message_complete = [](llhttp_t* parser) {
        static_cast<Client*>(parser->data)->is_complete_ = true;
        return 0;
    };
    return settings;
}

void Client::connect() {
    socket_ = new Socket{.client = this};
    uv_tcp_init(server_.loop, &socket_->tcp);
    uv_tcp_nodelay(&socket_->tcp, 1);
    socket_->tcp.data = socket_->connect.data = socket_;
    const int rc = uv_tcp_connect(&socket_->connect, &socket_->tcp,
                                  reinterpret_cast<const sockaddr*>(&server_.address),
                                  [](uv_connect_t* connect, int status) {
                                      Client* self = static_cast<Socket*>(connect->data)->client;
                                      if (!self) return;
                                      if (status != 0) return self->on_end(status);
                                      self->read();
                                      self->write();
                                  });
    if (rc == 0) return;
    // It is said from the loop: a caller that goes on to the next request must not nest in this
    // one.
    socket_->error = rc;
    uv_close(reinterpret_cast<uv_handle_t*>(&socket_->tcp), [](uv_handle_t* handle) {
        std::unique_ptr<Socket> socket(static_cast<Socket*>(handle->data));
        if (!socket->client) return;
        socket->client->socket_ = nullptr;
        socket->client->on_end(socket->error);
    });
}

void Client::read() {
    uv_read_start(
        stream_of(socket_->tcp),
        [](uv_handle_t* handle, size_t, uv_buf_t* buf) {
            Client* self = static_cast<Socket*>(handle->data)->client;
            *buf = uv_buf_init(self->server_.buffer.data(), unsigned(self->server_.buffer.size()));
        },
        [](uv_stream_t* stream, ssize_t n, const uv_buf_t*) {
            if (Client* self = static_cast<Socket*>(stream->data)->client) self->on_read(n);
        });
}

void Client::write() {
    static const llhttp_settings_t settings = parser_settings();
    llhttp_init(&parser_, HTTP_RESPONSE, &settings);
    parser_.data = this;
    splitter_.clear();
    other_body_.clear();
    answer_.clear();
    has_bytes_ = is_complete_ = false;

    uv_stream_t* stream = stream_of(socket_->tcp);
    uv_buf_t all = uv_buf_init(request_.data(), unsigned(request_.size()));
    const int n_written = std::max(0, uv_try_write(stream, &all, 1));
    if (size_t(n_written) == request_.size()) return;
    auto* rest = new Socket::Rest{.bytes = request_.substr(size_t(n_written))};
    uv_buf_t buf = uv_buf_init(rest->bytes.data(), unsigned(rest->bytes.size()));
    rest->write.data = rest;
    // A failure shows when reading, too.
    uv_write(&rest->write, stream, &buf, 1,
             [](uv_write_t* write, int) { delete static_cast<Socket::Rest*>(write->data); });
}

void Client::disconnect() {
    if (!socket_) return;
    Socket* socket = std::exchange(socket_, nullptr);
    socket->client = nullptr;
    auto* handle = reinterpret_cast<uv_handle_t*>(&socket->tcp);
    if (!uv_is_closing(handle))
        uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Socket*>(closed->data); });
}

void Client::on_read(ssize_t n) {
    if (n == 0) return;
    if (n < 0) return on_end(n);
    if (!is_busy_) return disconnect();  // nobody asked
    has_bytes_ = true;
    now_ = now_s();
    if (llhttp_execute(&parser_, server_.buffer.data(), size_t(n)) != HPE_OK)
        return fail(fmt::format("bad HTTP: {}", llhttp_get_error_reason(&parser_)));
    if (is_complete_) finish();
}

void Client::on_end(ssize_t error) {
    if (!is_busy_) return disconnect();
    // A server may close an idle connection while a request is under way to it; it has not seen it.
    if (std::exchange(is_reused_, false) && !has_bytes_) {
        disconnect();
        return connect();
    }
    now_ = now_s();
    if (error == UV_EOF && has_bytes_ && llhttp_finish(&parser_) == HPE_OK && is_complete_)
        return finish();
    fail(fmt::format("connection: {}", uv_strerror(int(error))));
}

void Client::on_body(std::string_view bytes) {
    if (parser_.status_code != 200) {
        if (other_body_.size() < kMostSaid) other_body_.append(bytes.substr(0, kMostSaid));
        return;
    }
    splitter_.feed(bytes, [this](std::string_view json) { on_event(read_event(json), json); });
}

void Client::on_event(const Event& event, std::string_view json) {
    if (event.is_error && outcome_.failure.empty())
        outcome_.failure = fmt::format("in the stream: {}", json.substr(0, kMostSaid));
    if (event.completion_tokens >= 0) {
        outcome_.has_usage = true;
        outcome_.tokens = event.completion_tokens;
    }
    if (event.prompt_tokens >= 0) outcome_.prompt_tokens = event.prompt_tokens;
    if (event.cached_tokens >= 0) outcome_.cached_tokens = event.cached_tokens;
    if (!event.has_choice) return;
    if (server_.keeps_text) answer_ += event.text;
    if (server_.keeps_ids && !event.token_ids.empty())
        answer_.append(answer_.empty() ? "" : ",").append(event.token_ids);
    outcome_.last = now_;
    if (!event.has_output) return;
    if (outcome_.events++ == 0)
        outcome_.first = now_;
    else
        outcome_.gaps.push_back(float(now_ - output_seen_));
    output_seen_ = now_;
}

void Client::finish() {
    if (parser_.status_code != 200)
        return fail(fmt::format("status {}: {}", +parser_.status_code, other_body_));
    if (!outcome_.failure.empty()) return fail(std::move(outcome_.failure));
    // Tokens without text, special ones for example, need not have an event but the last.
    if (outcome_.events == 0 && outcome_.tokens > 0 && outcome_.last > 0) {
        outcome_.events = 1;
        outcome_.first = outcome_.last;
    }
    if (outcome_.events == 0) return fail("no token in the stream");
    if (server_.keeps_ids && answer_.empty())
        return fail("no token_ids in the stream; --api text or chat need none for --turns");
    if (!outcome_.has_usage) outcome_.tokens = outcome_.events;
    if (!llhttp_should_keep_alive(&parser_)) disconnect();
    report();
}

void Client::fail(std::string why) {
    outcome_.failure = std::move(why);
    disconnect();
    report();
}

void Client::report() {
    outcome_.end = now_s();
    is_busy_ = false;
    std::exchange(on_done_, nullptr)(std::move(outcome_), std::move(answer_));
}

void ClientPool::send(std::string request, double due, Client::OnDone on_done) {
    if (free_.empty()) {
        all_.push_back(std::make_unique<Client>(server_));
        free_.push_back(all_.back().get());
    }
    Client* client = free_.back();
    free_.pop_back();
    client->send(std::move(request), due,
                 [this, client, on_done = std::move(on_done)](Outcome outcome, std::string answer) {
                     free_.push_back(client);
                     on_done(std::move(outcome), std::move(answer));
                 });
}

}  // namespace qwend::load
