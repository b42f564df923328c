export { Registry } from './registry.ts'
export { Repository } from './repository.ts'
export { Transport } from './transport/transport.ts'
