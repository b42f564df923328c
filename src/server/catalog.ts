import type { Answer, Exchange } from './exchange.ts'
import { answerPage } from './pages.ts'

/** GET _catalog, with `n` and `last`: the names of all repositories. */
export async function listRepositories(exchange: Exchange): Promise<Answer> {
  return answerPage(
    exchange,
    ({ last }) => namesAfter(exchange, last),
    (repositories) => ({ repositories }),
  )
}

async function* namesAfter({ store, signal }: Exchange, last: string | undefined): AsyncGenerator<string> {
  for await (const name of store.names({ signal })) {
    if (last === undefined || name > last) yield name
  }
}
