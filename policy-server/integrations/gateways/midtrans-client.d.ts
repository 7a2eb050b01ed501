/** The part of the library that is used; it has no types of its own. */
declare module 'midtrans-client' {
  type Parameters = Readonly<Record<string, unknown>>;

  type HttpRequest = {
    headers: { set(name: string, value: string): void };
    signal?: AbortSignal;
  };

  type HttpClient = {
    readonly http_client: {
      readonly defaults: Record<string, unknown>;
      readonly interceptors: { readonly request: { use(change: (request: HttpRequest) => HttpRequest): void } };
    };
  };

  type Transaction = {
    status(id: string): Promise<unknown>;
    cancel(id: string): Promise<unknown>;
    refund(id: string, parameters: Parameters): Promise<unknown>;
    refundDirect(id: string, parameters: Parameters): Promise<unknown>;
  };

  type Options = { readonly isProduction: boolean; readonly serverKey: string; readonly clientKey: string };

  class Api {
    constructor(options: Options);
    readonly apiConfig: { getSnapApiBaseUrl: () => string; getCoreApiBaseUrl: () => string };
    readonly httpClient: HttpClient;
    readonly transaction: Transaction;
  }

  class Snap extends Api {
    createTransaction(parameters: Parameters): Promise<unknown>;
  }

  class CoreApi extends Api {
    charge(parameters: Parameters): Promise<unknown>;
    linkPaymentAccount(parameters: Parameters): Promise<unknown>;
    getPaymentAccount(accountId: string): Promise<unknown>;
    unlinkPaymentAccount(accountId: string): Promise<unknown>;
  }

  const library: { readonly Snap: typeof Snap; readonly CoreApi: typeof CoreApi };
  export default library;
}
