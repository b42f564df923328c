import { describe, expect, it } from 'vitest'
import {
  coversScopes,
  mergeScopes,
  scopeResource,
  withoutDelete,
} from '../../../../src/targets/remote/auth/scope.ts'

describe('scopes', () => {
  it('are merged by resource, each action once', () => {
    expect(
      mergeScopes(
        ['repository:a:pull', 'repository:b:pull'],
        ['repository:a:pull,push', 'registry:catalog:*'],
      ),
    ).toEqual(['repository:a:pull,push', 'repository:b:pull', 'registry:catalog:*'])
  })

  it('cover what asks for the same or less', () => {
    const both = ['repository:a:pull,push', 'repository:b:pull']
    expect(coversScopes(both, ['repository:a:pull'])).toBe(true)
    expect(coversScopes(both, ['repository:b:pull', 'repository:a:push,pull'])).toBe(true)
    expect(coversScopes(both, ['repository:b:push'])).toBe(false)
    expect(coversScopes(both, ['repository:c:pull'])).toBe(false)
    expect(coversScopes(['repository:a:pull'], ['repository:a:pull,push'])).toBe(false)
  })

  it('without a colon stay whole, and are covered only by themselves', () => {
    expect(mergeScopes(['repository:a:pull'], ['aws'])).toEqual(['repository:a:pull', 'aws'])
    expect(scopeResource('aws')).toBe('aws')
    expect(coversScopes(['repository:a:pull'], ['aws'])).toBe(false)
    expect(coversScopes(['aws'], ['aws'])).toBe(true)
  })

  it.each([
    ['repository:a:pull,delete', 'repository:a:pull,push'],
    ['repository:a:pull,push,delete', 'repository:a:pull,push'],
    ['repository:host:5000/a:delete', 'repository:host:5000/a:push'],
    ['repository:a:pull', 'repository:a:pull'],
    ['repository:delete:pull', 'repository:delete:pull'],
    ['aws', 'aws'],
  ])('without deleting: %s', (scope, expected) => {
    expect(withoutDelete(scope)).toBe(expected)
  })

  it('may be about a resource with colons', () => {
    expect(scopeResource('repository:host:5000/a:pull')).toBe('repository:host:5000/a')
  })
})
