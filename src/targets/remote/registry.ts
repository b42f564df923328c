import { isRegistry, isRepository, parseReference, redacted } from '../../content/reference.ts'
import { defaultMaxMetadataBytes } from '../../content/verify.ts'
import { InvalidReferenceError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { TagsOptions } from '../target.ts'
import { catalogScope } from './auth/scope.ts'
import { listQuery, namePages, readNames } from './names.ts'
import { Repository, type RepositoryOptions } from './repository.ts'
import type { HttpResponse } from './transport/http.ts'
import { expectStatus } from './transport/response.ts'
import { Transport } from './transport/transport.ts'

/** A registry: what is not about one repository. */
export class Registry {
  /** As in a reference: host, and port where one is given. */
  readonly registry: string
  readonly #options: RepositoryOptions
  readonly #transport: Transport

  /** Error: INVALID_REFERENCE. */
  constructor(registry: string, options: RepositoryOptions = {}) {
    expectRegistry(registry)
    // Through a reference, so that the several names of Docker Hub are one here too.
    this.registry = parseReference(`${registry}/x`).registry
    this.#options = options
    this.#transport = options.transport ?? new Transport(options)
  }

  /** Whether this is a registry and takes our credentials. Errors: NOT_FOUND, AUTH, UNREACHABLE, RESPONSE. */
  async ping(options: SignalOptions = {}): Promise<void> {
    const response = await this.#ask(this.#url('/v2/'), [], options)
    await expectStatus(response, [200], `registry ${this.registry}`)
    await response.discard()
  }

  /** The names of the repositories in lexical order; all pages are read before the first one comes. Many registries refuse this. */
  async *repositories(options: TagsOptions = {}): AsyncGenerator<string> {
    const { maxMetadataBytes = defaultMaxMetadataBytes, tagPageSize } = this.#options
    if (options.limit === 0) return
    const list = { member: 'repositories', isName: isRepository, maxPageBytes: maxMetadataBytes } as const
    const first = this.#url(`/v2/_catalog${listQuery(options, tagPageSize)}`)
    const what = `the list of repositories of ${this.registry}`
    const responses = namePages(first, what, (url) => this.#ask(url, [catalogScope], options))
    yield* await readNames(responses, list, options)
  }

  /** One of its repositories, with the options of the registry, over the same connections. Error: INVALID_REFERENCE. */
  repository(name: string): Repository {
    return new Repository(`${this.registry}/${name}`, { ...this.#options, transport: this.#transport })
  }

  /** Closes the connections, if they are not shared. What is still under way fails. */
  async close(): Promise<void> {
    if (this.#transport !== this.#options.transport) await this.#transport.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #url(path: string): URL {
    return new URL(path, this.#transport.registryUrl(this.registry))
  }

  async #ask(url: URL, scopes: readonly string[], options: SignalOptions): Promise<HttpResponse> {
    const { signal, onEvent } = options
    const access = { registry: this.registry, scopes }
    return this.#transport.send({ method: 'GET', url, access, redirect: 'follow', signal, onEvent })
  }
}

/** Error: INVALID_REFERENCE for what is no host with an optional port. */
export function expectRegistry(registry: string): void {
  if (isRegistry(registry)) return
  throw new InvalidReferenceError(`${JSON.stringify(redacted(registry))} is not a host with an optional port`)
}
