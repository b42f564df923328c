import type { FaultyRequest } from './fault.ts'

/** Resources (`repository:name`) with the actions on each (distribution, "Token Scope Documentation"). */
export type Scopes = ReadonlyMap<string, ReadonlySet<string>>

/** Reads scopes as they stand in a query, a form or a challenge; one text may hold several. */
export function parseScopes(texts: readonly string[]): Scopes {
  const scopes = new Map<string, Set<string>>()
  for (const text of texts.flatMap((list) => list.split(' '))) {
    const colon = text.lastIndexOf(':')
    if (colon < 1) continue
    const resource = text.slice(0, colon)
    const actions = text.slice(colon + 1).split(',')
    scopes.set(resource, new Set([...(scopes.get(resource) ?? []), ...actions]))
  }
  return scopes
}

/** The scopes as a challenge writes them. */
export function formatScopes(scopes: Scopes): string {
  return [...scopes].map(([resource, actions]) => `${resource}:${[...actions].join(',')}`).join(' ')
}

/** True if the granted scopes hold all that is needed; the action `*` is all of them. */
export function covers(granted: Scopes, needed: Scopes): boolean {
  return [...needed].every(([resource, actions]) => {
    const held = granted.get(resource) ?? new Set()
    return held.has('*') || [...actions].every((action) => held.has(action))
  })
}

/** What a request needs to be allowed: a mount needs the other repository too. */
export function neededScopes(request: FaultyRequest, deleteAction: string): Scopes {
  const { method, endpoint, repository, query } = request
  if (endpoint === 'catalog') return parseScopes(['registry:catalog:*'])
  if (repository === '') return new Map()
  const from = query.get('from')
  const isMount = endpoint === 'uploads' && query.has('mount') && from !== null
  return parseScopes([
    `repository:${repository}:${actionsOf(method, endpoint) ?? deleteAction}`,
    ...(isMount ? [`repository:${from}:pull`] : []),
  ])
}

/** Undefined for deleting. */
function actionsOf(method: string, endpoint: FaultyRequest['endpoint']): string | undefined {
  if (endpoint !== 'upload' && method === 'DELETE') return undefined
  const isReading = endpoint !== 'upload' && (method === 'GET' || method === 'HEAD')
  return isReading ? 'pull' : 'pull,push'
}
