/** What may be done to a repository (distribution, "Token Scope"). */
export type Action = 'pull' | 'push' | 'delete'

/** The scope of some actions on a repository. */
export function repositoryScope(repository: string, actions: readonly Action[]): string {
  return `repository:${repository}:${actions.join(',')}`
}

/** The scope of listing the repositories of a registry. */
export const catalogScope = 'registry:catalog:*'

/** All scopes of both lists, each resource once with the actions of all. */
export function mergeScopes(first: readonly string[], second: readonly string[]): readonly string[] {
  const merged = new Map<string, Set<string>>()
  for (const { resource, actions } of [...first, ...second].map(splitScope)) {
    merged.set(resource, new Set([...(merged.get(resource) ?? []), ...actions]))
  }
  return [...merged].map(([resource, actions]) =>
    actions.size === 0 ? resource : `${resource}:${[...actions].join(',')}`,
  )
}

/** True if a token for these scopes serves all that is needed. */
export function coversScopes(scopes: readonly string[], needed: readonly string[]): boolean {
  const granted = new Map(scopes.map(splitScope).map(({ resource, actions }) => [resource, actions]))
  return needed
    .map(splitScope)
    .every(
      ({ resource, actions }) =>
        granted.has(resource) && actions.every((action) => granted.get(resource)?.includes(action)),
    )
}

/** The same with `push` in the place of `delete`: to some registries, who may push may delete. */
export function withoutDelete(scope: string): string {
  const { resource, actions } = splitScope(scope)
  if (!actions.includes('delete')) return scope
  const others = actions.filter((action) => action !== 'delete' && action !== 'push')
  return `${resource}:${[...others, 'push'].join(',')}`
}

/** The resource that a scope is about: everything before the last colon, since a name may hold a host and a port. */
export function scopeResource(scope: string): string {
  return splitScope(scope).resource
}

/** The repository that the first scope is about; undefined where it is about none. */
export function repositoryOf([scope = '']: readonly string[]): string | undefined {
  const resource = scopeResource(scope)
  return resource.startsWith(repositoryPrefix) ? resource.slice(repositoryPrefix.length) : undefined
}

const repositoryPrefix = 'repository:'

/** A scope without a colon, as one registry has it, is a resource without actions. */
function splitScope(scope: string): { resource: string; actions: readonly string[] } {
  const colon = scope.lastIndexOf(':')
  if (colon === -1) return { resource: scope, actions: [] }
  return { resource: scope.slice(0, colon), actions: scope.slice(colon + 1).split(',') }
}
