// Checks the text of the repository against STYLE.md: words in comments, documents, test titles and messages, and the width of lines.
// Arguments are folders or files to check; without any, all. Prints `file:line: problem` and exits with 1 when there is a problem.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { cli, root } from './run.mjs';

const MAX_WIDTH = 120;
/** The shortest string that is taken for a sentence. */
const SENTENCE_WORDS = 5;

/** What is not written here, and what to write. STYLE.md must show these words, and the change log is history. */
const NOT_CHECKED =
  /^(STYLE\.md|CHANGELOG\.md|package-lock\.json|LICENSE|scripts\/check-words\.mjs|bench\/results\/|docs\/.*\.(json|svg))/;
const WORDS = [
  [/\bwho(m|ever|soever)?\b/i, 'name the subject: the client, the session, the owner'],
  [/\b(no|every|any|some)(body|one)\b/i, 'name the subject: no client, each session'],
  [/\bwhatever\b/i, 'say which: any, each, regardless of'],
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\banew\b/i, 'again, new'],
  [/\bin vain\b/i, 'without success'],
  [/\b(for good|once and for all)\b/i, 'finally, permanently'],
  [/\bhad better\b/i, 'should, must'],
  [/\b(dear|dearest|dearer)\b/i, 'expensive'],
  [/\bcheap(er|est)? (it )?is\b/i, 'say what is cheap'],
  [/\b(goodbye|farewell)\b/i, 'close frame'],
  [/\bstrangers?\b/i, 'unknown user, cache miss'],
  [/\bcrowd(s|ed)?\b/i, 'connections, overload'],
  [/\b(owe|owes|owed|owing)\b/i, 'has to send, pending'],
  [/\bsa(y|ys|id|ying) (it |that |this )?(again|anew|no longer)\b/i, 'repeat, send again'],
  [/\b(hears?|heard|hearing)\b/i, 'receives'],
  [/\b(hurry|hurries|insists?|insisted)\b/i, 'retry now, force'],
  [/\b(house|stage|scene|cast|twins?)\b/i, 'the part by its name'],
  [/\b(hang|hangs|hung|hanging) up\b/i, 'close, disconnect'],
  [/\b(misled|misdeeds?|evil)\b/i, 'the fault by its name'],
  [/\bnews\b/i, 'events, announcement'],
  [/\bthe guide('s)?\b/i, 'protocol version 1'],
  [/\bconstellation\b/i, 'dev-env'],
  [/\b(perhaps|ere|whence|thence|lest|hence|nought|naught|amiss|astray)\b/i, 'plain English'],
  [/\b(come|comes|came) (to|of) (nothing|naught)\b/i, 'fails, has no effect'],
  [/\b(let|lets) (it|them) be\b/i, 'leaves it unchanged'],
  [/\bnow and then\b/i, 'periodically'],
  [/\b(is|are) no more\b/i, 'has ended, was removed'],
];

function problemsIn(file, text) {
  const pieces = piecesOf(file, text);
  const lines = text.split('\n');
  const problems = [];
  for (const { line, text: piece, isComment } of pieces) {
    piece.split('\n').forEach((part, n) => {
      const at = `${file}:${line + n}`;
      const prose = part.replace(/`[^`]*`/g, '').replace(/\bhttps?:\S+/g, '');
      for (const [pattern, instead] of WORDS) {
        const found = pattern.exec(prose);
        if (found) problems.push(`${at}: "${found[0]}": ${instead}`);
      }
      const whole = lines[line + n - 1] ?? '';
      if (isComment && whole.length > MAX_WIDTH && !/https?:\/\/\S{40}/.test(whole)) {
        problems.push(`${at}: ${whole.length} columns, at most ${MAX_WIDTH}`);
      }
    });
  }
  return problems;
}

/** The parts of a file that people read: `line` is where it begins, `isComment` whether its width counts. */
function piecesOf(file, text) {
  if (/\.(ts|mjs)$/.test(file)) return codePieces(file, text);
  if (file.endsWith('.md')) return markdownPieces(text);
  if (/\.(ya?ml|py|conf|sh)$|(^|\/)(Dockerfile|\.ci\/run|\.env\.example)/.test(file))
    return commentLines(text, /^\s*#/);
  if (file.endsWith('.sql')) return commentLines(text, /^\s*--/);
  return [];
}

const commentLines = (text, pattern) =>
  text.split('\n').flatMap((line, n) => (pattern.test(line) ? [{ line: n + 1, text: line, isComment: true }] : []));

function markdownPieces(text) {
  let isCode = false;
  return text.split('\n').flatMap((line, n) => {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode;
    // Prettier decides how wide a table is.
    return isCode ? [] : [{ line: n + 1, text: line, isComment: !line.startsWith('|') }];
  });
}

function codePieces(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lineAt = (position) => source.getLineAndCharacterOfPosition(position).line + 1;
  const comments = new Map();
  const pieces = [];
  const visit = (node) => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(text, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ];
    if (!ts.isJsxText(node)) for (const { pos, end } of ranges) comments.set(pos, end);
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      const isSentence = node.text.split(/\s+/).length >= SENTENCE_WORDS;
      if (isSentence || isTitle(node))
        pieces.push({ line: lineAt(node.getStart(source)), text: node.text, isComment: false });
    }
    // Tokens, too: a comment may stand before a closing brace.
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  for (const [pos, end] of comments) pieces.push({ line: lineAt(pos), text: text.slice(pos, end), isComment: true });
  return pieces;
}

const isTitle = (node) =>
  ts.isCallExpression(node.parent) && /^(test|it|describe)\b/.test(node.parent.expression.getText());

await cli(async () => {
  const wanted = process.argv.slice(2);
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...wanted], {
    cwd: root,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .filter((file) => file !== '' && !NOT_CHECKED.test(file) && existsSync(join(root, file)));
  const problems = files.flatMap((file) => problemsIn(file, readFileSync(join(root, file), 'utf8')));
  for (const problem of problems) console.log(problem);
  if (problems.length > 0) console.log(`${problems.length} problems of wording: see STYLE.md`);
  return problems.length === 0 ? 0 : 1;
});
