import { describe, expect, it } from 'vitest'
import { redactUrl } from '../../../../src/targets/remote/transport/redact.ts'

describe('redactUrl', () => {
  it.each([
    ['https://user:pass@registry.example/v2/', 'https://registry.example/v2/'],
    [
      'https://storage.example/b?X-Amz-Signature=abc&Expires=1',
      'https://storage.example/b?X-Amz-Signature=***&Expires=***',
    ],
    [
      'https://auth.example/token?service=r&scope=repository%3Aa%2Fb%3Apull%2Cpush&account=me',
      'https://auth.example/token?service=r&scope=repository:a/b:pull,push&account=***',
    ],
    ['https://r.example/v2/a/tags/list?n=2&last=v1', 'https://r.example/v2/a/tags/list?n=2&last=v1'],
    ['https://r.example/?scope=a&SCOPE=b', 'https://r.example/?scope=a&SCOPE=***'],
    ['https://r.example/?secret', 'https://r.example/?***'],
    ['https://r.example/?c2VjcmV0MQ==&n=1', 'https://r.example/?***&n=1'],
    ['https://r.example/x#token=abc', 'https://r.example/x'],
  ])('shows %s as %s', (url, expected) => {
    expect(redactUrl(new URL(url))).toBe(expected)
  })
})
