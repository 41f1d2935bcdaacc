// Markdown that grows: append() takes what came, paint() brings the page up to date. A block that is complete
// is never touched again, and one that grows too long is completed, so that the work per token has a bound.
// Nothing is parsed as HTML.
const LONGEST_BLOCK = 4_000; // characters, of what is rendered again while it grows
const LONGEST_LINE = 12_000; // the same, and a paragraph is a line
const DEEPEST_BLOCKS = 6; // lists and quotes in each other; beyond, they are text

const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}>/;
const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t]+|$)/;
const TABLE_RULE = /^[ \t|:-]+$/;

const indentOf = (line) => line.length - line.trimStart().length;
const isBlank = (line) => line.trim() === '';
/// How an item is marked; two of a list have the same.
const markOf = (item) => (item[2].length === 1 ? item[2] : item[2].at(-1));

/// The cells of a row, whose '|' may be escaped.
function cellsOf(line) {
  const cells = [''];
  for (const part of line.trim().match(/\\\||\||[^|\\]+|\\/g) ?? []) {
    if (part === '|') cells.push('');
    else cells[cells.length - 1] += part === '\\|' ? '|' : part;
  }
  if (cells.length > 1 && isBlank(cells[0])) cells.shift();
  if (cells.length > 1 && isBlank(cells.at(-1))) cells.pop();
  return cells.map((cell) => cell.trim());
}

/// Of a column, by its cell in the line below the head; null if it is none.
function alignOf(cell) {
  if (!/^:?-+:?$/.test(cell)) return null;
  if (!cell.endsWith(':')) return '';
  return cell.startsWith(':') ? 'center' : 'right';
}

function rowOf(line, tag, aligns) {
  const row = make('tr');
  for (const [i, cell] of cellsOf(line).slice(0, aligns.length).entries())
    row.append(make(tag, { class: aligns[i] || null }, ...inlineNodes(cell)));
  return row;
}

function codeBlock(language) {
  const code = make('code');
  const copy = make('button', { type: 'button', class: 'link', 'data-copy': true, 'data-t': 'copy' }, t('copy'));
  const bar = make('div', { class: 'bar' }, make('span', {}, language), copy);
  return { code, node: make('div', { class: 'block' }, bar, make('pre', { tabindex: 0 }, code)) };
}

class Markdown {
  constructor(root, depth = 0) {
    this.root = root;
    this.depth = depth;
    this.rest = ''; // of the text: a line that has not ended
    this.block = null; // what the next line may belong to
    this.guess = null; // what the rest looks like, where it begins a block
  }

  append(text) {
    this.rest += text;
    if (!text.includes('\n') && this.rest.length < LONGEST_LINE) return;
    const lines = this.rest.split('\n');
    this.rest = lines.pop();
    for (const line of lines) this.take(line);
    for (; this.rest.length >= LONGEST_LINE; this.rest = this.rest.slice(LONGEST_LINE))
      this.take(this.rest.slice(0, LONGEST_LINE), true);
  }

  end() {
    if (this.rest) this.take(this.rest);
    this.rest = '';
    this.close();
  }

  /// A line; `cut` if it is the beginning of one that is too long.
  take(line, cut = false) {
    this.drop();
    for (; line.length > LONGEST_LINE; line = line.slice(LONGEST_LINE)) this.take(line.slice(0, LONGEST_LINE), true);
    const { block } = this;
    if (block?.kind === 'fence') return this.takeCode(line, cut);
    if (block?.kind === 'paragraph' && TABLE_RULE.test(line) && this.beginTable(line)) return;
    if (block && this.continues(line)) {
      if (block.kind === 'table') block.body.append(rowOf(line, 'td', block.aligns));
      else block.lines.push(line), (block.size += line.length + 1), (block.painted = false);
    } else {
      this.close();
      this.open(line);
    }
    if (cut && this.block?.kind !== 'fence') this.close();
  }

  takeCode(line, cut) {
    const { block } = this, shut = FENCE.exec(line);
    if (shut && shut[2].startsWith(block.fence) && isBlank(shut[3])) return this.close();
    block.rest.data = '';
    block.done.appendData(line.slice(Math.min(block.indent, indentOf(line))) + (cut ? '' : '\n'));
  }

  begins(line) {
    const item = ITEM.exec(line);
    // As in CommonMark, a number in a text begins a list only if it is 1, and a mark alone none.
    const isItem = item && item[0] !== line && (item[2].length === 1 || /^1[.)]/.test(item[2]));
    return HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || FENCE.test(line) || isItem;
  }

  /// Whether the line belongs to the block.
  continues(line) {
    const { block } = this;
    if (block.kind === 'paragraph') return !isBlank(line) && block.size < LONGEST_BLOCK && !this.begins(line);
    if (block.kind === 'quote') return QUOTE.test(line) && block.size < LONGEST_BLOCK;
    if (block.kind === 'table') return line.includes('|') && !this.begins(line);
    return this.continuesList(line);
  }

  continuesList(line) {
    const { block } = this;
    if (block.size > LONGEST_LINE) return false;
    if (isBlank(line)) return true;
    const item = RULE.test(line) ? null : ITEM.exec(line);
    if (item && item[1].length <= block.indent + 1)
      return markOf(item) === block.mark && (block.size < LONGEST_BLOCK || item[1].length > block.indent);
    if (indentOf(line) > block.indent + 1) return true;
    return !isBlank(block.lines.at(-1)) && !this.begins(line); // the paragraph goes on
  }

  open(line) {
    if (isBlank(line)) return;
    const heading = HEADING.exec(line), fence = FENCE.exec(line), item = ITEM.exec(line);
    const nests = this.depth < DEEPEST_BLOCKS;
    if (heading) {
      let text = line.slice(heading[0].length).trim(), end = text.length;
      while (text[end - 1] === '#') end--;
      if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trimEnd();
      this.root.append(make(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inlineNodes(text)));
    } else if (RULE.test(line)) {
      this.root.append(make('hr'));
    } else if (fence) {
      const { code, node } = codeBlock(fence[3].trim().split(/\s/, 1)[0].slice(0, 40));
      this.block = { kind: 'fence', fence: fence[2], indent: fence[1].length, done: new Text(), rest: new Text() };
      code.append(this.block.done, this.block.rest);
      this.root.append(node);
    } else if (QUOTE.test(line) && nests) {
      this.begin('quote', make('blockquote'), line);
    } else if (item && nests) {
      const numbered = item[2].length > 1, start = parseInt(item[2], 10);
      const list = make(numbered ? 'ol' : 'ul', { start: numbered && start !== 1 && start });
      Object.assign(this.begin('list', list, line), { mark: markOf(item), indent: item[1].length });
    } else {
      this.begin('paragraph', make('p'), line);
    }
  }

  begin(kind, node, line) {
    this.root.append(node);
    this.block = { kind, node, lines: [line], size: line.length, painted: false };
    return this.block;
  }

  /// If the line rules off a table's head, which is the paragraph's last line.
  beginTable(line) {
    const { block } = this, head = block.lines.at(-1);
    const aligns = cellsOf(line).map(alignOf);
    if (!head.includes('|') || aligns.includes(null) || cellsOf(head).length !== aligns.length) return false;
    block.lines.pop();
    block.painted = false;
    if (block.lines.length) this.close();
    else block.node.remove();
    const body = make('tbody');
    const table = make('table', {}, make('thead', {}, rowOf(head, 'th', aligns)), body);
    this.root.append(make('div', { class: 'table', tabindex: 0 }, table));
    this.block = { kind: 'table', aligns, body };
    return true;
  }

  close() {
    this.drop();
    if (this.block?.lines && !this.block.painted) this.render(this.block.lines);
    if (this.block?.kind === 'fence') this.block.rest.remove();
    this.block = null;
  }

  drop() {
    this.guess?.remove();
    this.guess = null;
  }

  /// Shows all that came, the line that has not ended as far as it can be told what it is.
  paint() {
    const { block, rest } = this;
    this.drop();
    if (block?.kind === 'fence') {
      block.rest.data = /^ {0,3}[`~]*$/.test(rest) ? '' : rest.slice(Math.min(block.indent, indentOf(rest)));
      return;
    }
    const belongs = rest && block && this.continues(rest);
    if (belongs && block.kind === 'table') {
      this.guess = rowOf(rest, 'td', block.aligns);
      return block.body.append(this.guess);
    }
    if (block?.lines && (belongs || !block.painted)) {
      this.render(belongs && !/^[ \t|:-]+$/.test(rest) ? [...block.lines, rest] : block.lines);
      block.painted = !belongs;
    }
    if (belongs || /^[\s`~#>*+|-]*$/.test(rest)) return; // nothing, or marks of what is to come
    this.guess = make('div', { class: 'guess' });
    this.root.append(this.guess);
    const line = new Markdown(this.guess, this.depth);
    line.append(rest);
    line.end();
  }

  render(lines) {
    const { block } = this;
    block.node.replaceChildren();
    if (block.kind === 'paragraph') block.node.append(...inlineNodes(lines.map((line) => line.trimStart()).join('\n')));
    else if (block.kind === 'quote') this.renderWithin(block.node, lines.map((line) => line.replace(/^ {0,3}> ?/, '')));
    else this.renderItems(lines);
  }

  renderItems(lines) {
    const { block } = this;
    let item = [], width = 0;
    const finish = () => {
      const task = /^\[([ xX])\] /.exec(item[0]);
      const li = make('li', { class: task && 'task' });
      if (task) item[0] = (task[1] === ' ' ? '☐ ' : '☑ ') + item[0].slice(4);
      this.renderWithin(li, item);
      block.node.append(li);
    };
    for (const line of lines) {
      const found = RULE.test(line) ? null : ITEM.exec(line);
      if (found && found[1].length <= block.indent + 1) {
        if (width) finish();
        width = Math.min(found[0].length, found[1].length + found[2].length + 4) || 1;
        item = [line.slice(found[0].length)];
      } else {
        item.push(line.slice(Math.min(width, indentOf(line))));
      }
    }
    finish();
  }

  renderWithin(root, lines) {
    const inner = new Markdown(root, this.depth + 1);
    for (const line of lines) inner.take(line);
    inner.end();
  }
}
