import { expect, test } from '@jest/globals';
import { clean, fill, truncate, width, wrap } from './text.js';

test.each([
  ['', 0],
  ['abc', 3],
  ['中文', 4],
  ['한국어', 6],
  ['ｆｕｌｌ', 8],
  ['é', 1],
  ['e\u0301', 1],
  ['👋', 2],
  ['✓ ○ …', 5],
  // Upper bounds, since terminals differ: four columns for a flag, and two for each part of a family.
  ['🇩🇪', 4],
  ['👨‍👩‍👧', 6],
  ['❤️', 2],
])('width("%s") is %d columns', (text, columns) => {
  expect(width(text)).toBe(columns);
});

test('wrap splits at spaces and long words anywhere, but never a wide character or an emoji', () => {
  expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
  expect(wrap('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij']);
  expect(wrap('中文中文', 5)).toEqual(['中文', '中文']);
  expect(wrap('a👨‍👩‍👧b', 7)).toEqual(['a👨‍👩‍👧', 'b']);
  expect(wrap('one\n\ntwo', 8)).toEqual(['one', '', 'two']);
  expect(wrap('', 8)).toEqual(['']);
});

test('wrap and fill keep rows within their columns and drop only spaces at breaks', () => {
  const text = 'lorem 中文 ipsum 👋 dolor 한국어 sit-amet-consectetur '.repeat(20);
  for (let columns = 2; columns < 60; columns++) {
    for (const rows of [wrap(text, columns), fill(text, columns)]) {
      for (const row of rows) expect(width(row)).toBeLessThanOrEqual(columns);
      expect(rows.join('').replace(/ /g, '')).toBe(text.replace(/ /g, ''));
    }
    expect(fill(text, columns).join('')).toBe(text);
  }
});

test('truncate marks omitted text', () => {
  expect(truncate('short', 10)).toBe('short');
  expect(truncate('中文中文', 6)).toBe('中文…');
});

test('clean replaces characters that control the terminal', () => {
  expect(clean('a\u001b[2Jb\u0007\u009b1mc\r\nd\u202ee')).toBe('a [2Jb  1mc\nd e');
});
