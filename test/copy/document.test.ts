import { describe, expect, it } from 'vitest'
import { formatDocument, parseDocument } from '../../src/copy/document.ts'
import { errorCode } from '../../src/errors.ts'

describe('formatDocument', () => {
  it('refuses a number that would become null', () => {
    for (const document of [{ a: Infinity }, { a: [{ b: -Infinity }] }, { a: NaN }]) {
      const failure = (): unknown => formatDocument(document)
      expect(failure).toThrow('cannot be written')
      expect(errorCode(caught(failure))).toBe('INVALID_MANIFEST')
    }
  })

  it('writes names of any kind, and what nobody knows, as they were', () => {
    const text = '{"b":1,"__proto__":{"x":[null,false,0.5]},"constructor":"","a":"\\u0000é"}'
    expect(Buffer.from(formatDocument(parseDocument(Buffer.from(text)))).toString()).toBe(text)
  })
})

function caught(failing: () => unknown): unknown {
  try {
    return failing()
  } catch (error) {
    return error
  }
}
