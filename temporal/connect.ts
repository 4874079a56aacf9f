/**
 * Connections to Temporal. Address, namespace, TLS and API key come from the environment and profile files as the SDK
 * reads them (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_PROFILE`, …).
 */
import { Client, Connection, type ConnectionOptions, type WorkflowClientInterceptor } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import type { KeyRing } from '../config.ts'
import { temporalAddress } from '../config/network.ts'
import { createPayloadCodec } from './payload-codec.ts'

export { temporalAddress } from '../config/network.ts'

const FAILURE_CONVERTER = new URL('./failure-converter.ts', import.meta.url).pathname
/** Of a worker; the sandbox loads both too. */
export const WORKER_CONVERTERS = {
  payloadConverterPath: new URL('./lenient-converter.ts', import.meta.url).pathname,
  failureConverterPath: FAILURE_CONVERTER,
}

/** For clients: what cannot be decoded is an error to whoever asked. */
export const clientDataConverter = (codecKeys: KeyRing): DataConverter => ({
  failureConverterPath: FAILURE_CONVERTER,
  payloadCodecs: [createPayloadCodec(codecKeys)],
})

/** For workers: what cannot be decoded arrives as `undefined` (C15). */
export const workerDataConverter = (codecKeys: KeyRing, onUndecodable: () => void): DataConverter => ({
  ...WORKER_CONVERTERS,
  payloadCodecs: [createPayloadCodec(codecKeys, onUndecodable)],
})

/** Where Temporal is, and how a client's connection to it behaves. */
export interface TemporalAddress {
  readonly connectionOptions: ConnectionOptions
  readonly namespace?: string | undefined
}

/** The pause before a lost connection is opened anew; grpc's own grows to two minutes. */
const RECONNECT_WITHIN = { 'grpc.max_reconnect_backoff_ms': 2_000 }

/** A connection that is opened at the first call, and again soon after Temporal was away. Close it with `close()`. */
export const lazyConnection = ({ channelArgs, ...options }: ConnectionOptions): Connection =>
  Connection.lazy({ ...options, channelArgs: { ...RECONNECT_WITHIN, ...channelArgs } })

/** A client that speaks through the codec. Connects at the first call. Close it with `client.connection.close()`. */
export function connectTemporal(
  codecKeys: KeyRing,
  { connectionOptions, namespace }: TemporalAddress = temporalAddress(),
  interceptors: readonly WorkflowClientInterceptor[] = [],
): Client {
  return new Client({
    connection: lazyConnection(connectionOptions),
    ...(namespace !== undefined && { namespace }),
    dataConverter: clientDataConverter(codecKeys),
    interceptors: { workflow: [...interceptors] },
  })
}
