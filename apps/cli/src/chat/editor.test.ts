import { expect, test } from '@jest/globals';
import { Editor, type Key, type Pressed } from './editor.js';

const press = (editor: Editor, name: string, more: Partial<Key> = {}): Pressed =>
  editor.press(undefined, { name, ...more });

function type(editor: Editor, text: string): void {
  for (const character of text) editor.press(character, { name: character });
}

test('the editor inserts at the cursor and moves by graphemes', () => {
  const editor = new Editor();
  type(editor, '中👨‍👩‍👧');
  expect(editor.cursor).toBe(editor.text.length);
  press(editor, 'left');
  expect(editor.cursor).toBe(1);
  type(editor, 'x');
  expect(editor.text).toBe('中x👨‍👩‍👧');
  press(editor, 'end');
  press(editor, 'backspace');
  expect(editor.text).toBe('中x');
  press(editor, 'home');
  press(editor, 'delete');
  expect(editor.text).toBe('x');
});

test('the editor supports the usual control keys', () => {
  const editor = new Editor();
  type(editor, 'one two three');
  press(editor, 'w', { ctrl: true });
  expect(editor.text).toBe('one two ');
  press(editor, 'left', { ctrl: true });
  expect(editor.cursor).toBe(4);
  press(editor, 'k', { ctrl: true });
  expect(editor.text).toBe('one ');
  press(editor, 'u', { ctrl: true });
  expect(editor.text).toBe('');
  expect(press(editor, 'c', { ctrl: true })).toBe('interrupt');
  expect(press(editor, 'd', { ctrl: true })).toBe('end');
  type(editor, 'x');
  press(editor, 'a', { ctrl: true });
  expect(press(editor, 'd', { ctrl: true })).toBe('edited');
  expect(editor.text).toBe('');
  expect(press(editor, 'escape')).toBe('nothing');
});

test('the editor recalls submitted lines and then the draft', () => {
  const editor = new Editor();
  for (const line of ['first', 'second']) {
    type(editor, line);
    expect(press(editor, 'return')).toBe('submit');
    expect(editor.take()).toBe(line);
  }
  type(editor, 'draft');
  press(editor, 'up');
  expect(editor.text).toBe('second');
  press(editor, 'up');
  press(editor, 'up');
  expect(editor.text).toBe('first');
  press(editor, 'down');
  press(editor, 'down');
  expect(editor.text).toBe('draft');
});

test('the editor inserts pasted lines as one text', () => {
  const editor = new Editor();
  press(editor, 'paste-start');
  type(editor, 'one');
  expect(press(editor, 'return')).toBe('edited');
  type(editor, 'two');
  press(editor, 'paste-end');
  expect(press(editor, 'return')).toBe('submit');
  expect(editor.take()).toBe('one\ntwo');
});
