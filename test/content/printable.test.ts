import { describe, expect, it } from 'vitest'
import { printable, printableLines } from '../../src/content/printable.ts'

describe('printable text', () => {
  it('keeps letters of every script, signs and pictures', () => {
    const text = 'registry.example/über/日本:v1 — 100 % 🎉'
    expect(printable(text)).toBe(text)
  })

  it.each([
    ['an escape sequence', '\u001b[2J', '\\u{1b}[2J'],
    ['a line break', 'a\r\nb', 'a\\u{d}\\u{a}b'],
    ['the one-byte sequence introducer', '\u009b31m', '\\u{9b}31m'],
    ['delete', '\u007f', '\\u{7f}'],
    ['a line separator', '\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['an override of direction', '\u202egnp.exe', '\\u{202e}gnp.exe'],
    ['an Arabic letter mark', '\u061c', '\\u{61c}'],
    ['what cannot be seen', 'a\u200bb\u00adc\ufeff', 'a\\u{200b}b\\u{ad}c\\u{feff}'],
    ['a tag character', '\u{e0041}', '\\u{e0041}'],
    ['a lone surrogate', 'a\ud800b', 'a\\u{d800}b'],
  ])('shows %s as an escape', (_, text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it('leaves several lines apart, and nothing else that steers', () => {
    expect(printableLines('a\nb\u001b[2J\r\n')).toBe('a\nb\\u{1b}[2J\\u{d}\n')
  })
})
