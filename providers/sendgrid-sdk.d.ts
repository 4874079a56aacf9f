/**
 * What is used of SendGrid's SDK. Its own declarations say `export =` of an instance beside exported classes, which
 * TypeScript 7 refuses to import by name; they also miss what the SDK hands on to its HTTP client.
 */
declare module '@sendgrid/client' {
  export interface RequestDefaults {
    readonly baseUrl: string
    readonly signal: AbortSignal
    readonly httpAgent: import('node:http').Agent
    readonly httpsAgent: import('node:https').Agent
    readonly maxRedirects: number
    readonly maxContentLength: number
    readonly proxy: false
  }

  export class Client {
    setDefaultRequest(defaults: RequestDefaults): this
    setDefaultHeader(name: string, value: string): this
  }
}

declare module '@sendgrid/mail' {
  export interface MailData {
    readonly personalizations: readonly {
      readonly to: string
      readonly customArgs: Readonly<Record<string, string>>
    }[]
    readonly from: string
    readonly subject: string
    readonly content: readonly { readonly type: string; readonly value: string }[]
    readonly trackingSettings: Readonly<Record<string, Readonly<Record<string, boolean>>>>
  }

  export class MailService {
    setClient(client: import('@sendgrid/client').Client): this
    send(data: MailData): Promise<[{ statusCode: number; headers: Readonly<Record<string, unknown>> }, unknown]>
  }
}
