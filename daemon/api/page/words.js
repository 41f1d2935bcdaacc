// What the page says, in the languages it speaks. {0} is the first value given to t().
const WORDS = {
  en: {
    skip: 'To the message field', model: 'Model', new_chat: 'New chat', settings: 'Settings', close: 'Close',
    conversation: 'Conversation', to_end: 'To the latest', message: 'Message', message_hint: 'Message',
    send: 'Send', stop: 'Stop', keys_hint: 'Enter sends, Shift+Enter starts a line.', all_keys: 'Keyboard',
    welcome: 'What would you like to know?',
    welcome_text: 'You talk to {0}. What is said stays in this browser and on that server.',
    ideas: 'Introduce yourself in three sentences.|Explain a KV cache to a web developer.|Compare TCP and UDP in a table.|Write a shell script that counts words.',
    bare: '{0} is not for chatting',
    for_completion: 'Its checkpoint brings no chat template that can be used, so it completes texts.',
    for_embedding: 'It makes vectors of texts.', for_classification: 'It classifies texts, or says how well two go together.',
    for_reward: 'It says how good an answer is.',
    system: 'System prompt', system_hint: 'The model’s own', temperature: 'Temperature', top_p: 'Top-p',
    max_tokens: 'Max tokens', seed: 'Seed', default: 'default', random: 'random',
    more: 'More request fields, as JSON', reset: 'Reset to defaults',
    wrong_number: '{0}: expected a number, or nothing.', wrong_json: 'More request fields: expected a JSON object.',
    status: 'Status', terminal: 'From a terminal', language: 'Language', theme: 'Theme',
    auto: 'Auto', light: 'Light', dark: 'Dark',
    state: 'State', device: 'Device', context: 'Context', running: 'Requests', kv_cache: 'KV cache',
    generated: 'Generated', uptime: 'Up for', version: 'Version',
    n_tokens: '{0} tokens', n_running: '{0} running, {1} waiting', n_blocks: '{0} of {1} blocks',
    days: '{0} d {1} h', hours: '{0} h {1} min', minutes: '{0} min', seconds: '{0} s',
    ready: 'ready', loading: 'loading', draining: 'shutting down', gpu_failed: 'GPU failed', stalled: 'stalled',
    away: 'unreachable', locked: 'needs a key', unknown: 'connecting',
    key_title: 'This server asks for a key', key_why: 'Paste one of the keys in its api-key-file. It is sent to this server only.',
    key_again: 'That key was not accepted. Keys are the lines of the server’s api-key-file.',
    key: 'API key', key_keep: 'Remember it in this browser, not just in this tab', key_use: 'Use this key', cancel: 'Cancel',
    key_none: 'No API key is set.', key_set: 'An API key is set.', key_add: 'Set', key_change: 'Change', forget: 'Forget',
    you: 'You', assistant: 'Assistant', copy: 'Copy', copied: 'Copied', edit: 'Edit', again: 'Regenerate',
    try_again: 'Try again', try_in: 'Try again in {0} s', send_edit: 'Send', no_copy: 'The browser refused to copy',
    thinking: 'Thinking…', thought: 'Thought for {0} s', thought_some: 'Reasoning', calls: 'Calls', answering: 'Answering',
    done: 'The answer is complete', image: 'image',
    wait: 'Waiting for the first token, {0} s', first: '{0} to the first token', rate: '{0} tokens/s',
    usage: '{0} in, {1} out', usage_cached: '{0} in ({2} cached), {1} out',
    end_length: 'Max tokens or the context’s end was reached: the answer is cut off.',
    end_stopped: 'Stopped.', end_broken: 'The connection broke: this answer is incomplete.',
    end_empty: 'The answer is empty.',
    fail_away: 'The server cannot be reached.', fail_key: 'The server asks for an API key.',
    fail_busy: 'The server is busy: its queue is full.', fail_loading: 'The model is still loading.',
    fail_draining: 'The server is shutting down.', fail_gpu_failed: 'The GPU failed; the server starts again.',
    fail_stalled: 'The engine does not get on; the server starts again.',
    fail_proxy: 'The proxy in between gets no answer from the server ({0}).',
    fail_forbidden: 'The server refuses this page.', fail_large: 'The conversation is too large to send.',
    fail_other: 'The server refused the request ({0}).', fail_server: 'The server failed ({0}).', fail_in_stream: 'The server ended the answer with an error.',
    fail_form: 'What came back is no answer of this API.',
    cleared: 'A new chat has begun.', undo: 'Undo', kept_part: 'The conversation is too long to be kept whole: a reload forgets its beginning.',
    help_send: 'send the message', help_line: 'start a new line', help_stop: 'stop the answer, close what is open',
    help_edit: 'in an empty field: edit the last message', help_settings: 'settings', help_help: 'this list',
  },
  zh: {
    skip: '跳到输入框', model: '模型', new_chat: '新对话', settings: '设置', close: '关闭',
    conversation: '对话', to_end: '回到最新', message: '消息', message_hint: '输入消息',
    send: '发送', stop: '停止', keys_hint: 'Enter 发送，Shift+Enter 换行。', all_keys: '快捷键',
    welcome: '想了解些什么？',
    welcome_text: '正在与 {0} 对话。内容只保存在本浏览器，并只发往这台服务器。',
    ideas: '介绍一下大模型|用三句话介绍你自己。|用表格比较 TCP 和 UDP。|写一个统计文件字数的 shell 脚本。',
    bare: '{0} 不用于对话',
    for_completion: '它的检查点没有可用的对话模板，只能补全文本。',
    for_embedding: '它把文本变成向量。', for_classification: '它给文本分类，或判断两段文本的相关程度。',
    for_reward: '它评判回答的好坏。',
    system: '系统提示', system_hint: '使用模型自带的', temperature: '温度', top_p: 'Top-p',
    max_tokens: '最大词元数', seed: '随机种子', default: '默认', random: '随机',
    more: '其他请求字段（JSON）', reset: '恢复默认',
    wrong_number: '{0}：应为数字或留空。', wrong_json: '其他请求字段：应为 JSON 对象。',
    status: '状态', terminal: '在终端中使用', language: '语言', theme: '外观',
    auto: '自动', light: '浅色', dark: '深色',
    state: '状态', device: '设备', context: '上下文', running: '请求', kv_cache: 'KV 缓存',
    generated: '已生成', uptime: '已运行', version: '版本',
    n_tokens: '{0} 词元', n_running: '{0} 个运行，{1} 个等待', n_blocks: '{1} 块中的 {0}',
    days: '{0} 天 {1} 小时', hours: '{0} 小时 {1} 分', minutes: '{0} 分钟', seconds: '{0} 秒',
    ready: '就绪', loading: '加载中', draining: '正在关闭', gpu_failed: 'GPU 故障', stalled: '停滞',
    away: '无法连接', locked: '需要密钥', unknown: '连接中',
    key_title: '这台服务器需要密钥', key_why: '请粘贴服务器 api-key-file 中的一个密钥。它只会发往这台服务器。',
    key_again: '密钥未被接受。密钥是服务器 api-key-file 中的一行。',
    key: 'API 密钥', key_keep: '保存在本浏览器中，而不只是此标签页', key_use: '使用此密钥', cancel: '取消',
    key_none: '未设置 API 密钥。', key_set: '已设置 API 密钥。', key_add: '设置', key_change: '更改', forget: '删除',
    you: '你', assistant: '助手', copy: '复制', copied: '已复制', edit: '编辑', again: '重新生成',
    try_again: '重试', try_in: '{0} 秒后可重试', send_edit: '发送', no_copy: '浏览器拒绝复制',
    thinking: '思考中…', thought: '思考了 {0} 秒', thought_some: '思考过程', calls: '调用', answering: '正在回答',
    done: '回答完毕', image: '图片',
    wait: '等待首个词元，{0} 秒', first: '首词元 {0}', rate: '{0} 词元/秒',
    usage: '输入 {0}，输出 {1}', usage_cached: '输入 {0}（缓存 {2}），输出 {1}',
    end_length: '已达最大词元数或上下文上限，回答被截断。',
    end_stopped: '已停止。', end_broken: '连接中断，回答不完整。', end_empty: '回答为空。',
    fail_away: '无法连接到服务器。', fail_key: '服务器需要 API 密钥。',
    fail_busy: '服务器繁忙，队列已满。', fail_loading: '模型仍在加载。',
    fail_draining: '服务器正在关闭。', fail_gpu_failed: 'GPU 发生故障，服务器正在重启。',
    fail_stalled: '引擎停滞，服务器正在重启。',
    fail_proxy: '中间的代理未能从服务器得到应答（{0}）。',
    fail_forbidden: '服务器拒绝了本页面。', fail_large: '对话过长，无法发送。',
    fail_other: '服务器拒绝了请求（{0}）。', fail_server: '服务器出错（{0}）。', fail_in_stream: '服务器以错误结束了回答。',
    fail_form: '返回的内容不是本 API 的应答。',
    cleared: '已开始新对话。', undo: '撤销', kept_part: '对话过长，无法完整保存：刷新后开头部分将丢失。',
    help_send: '发送消息', help_line: '换行', help_stop: '停止回答，关闭打开的面板',
    help_edit: '输入框为空时：编辑上一条消息', help_settings: '设置', help_help: '本列表',
  },
};
let language = 'en';

function t(key, ...values) {
  return WORDS[language][key].replace(/\{(\d)\}/g, (_, i) => values[i]);
}

/// Writes the words of what is marked with data-t (text), data-t-label (name) and data-t-hint.
function translate() {
  document.documentElement.lang = language;
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  for (const e of document.querySelectorAll('[data-t-hint]')) e.placeholder = t(e.dataset.tHint);
  for (const e of document.querySelectorAll('[data-t-label]')) {
    e.setAttribute('aria-label', t(e.dataset.tLabel));
    if (e.tagName === 'BUTTON') e.title = t(e.dataset.tLabel);
  }
}

/// An element with attributes and children; strings among those are text, whatever they hold.
function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') e.addEventListener('click', value);
    else if (value !== null && value !== false) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children);
  return e;
}
const $ = (id) => document.getElementById(id);
