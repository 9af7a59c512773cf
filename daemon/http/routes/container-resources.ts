// Owns the handlers of what a container uses. Each parses, calls the service once and presents.
import { routes } from '../../../api-spec/index.ts';
import type { RouteContext } from './context.ts';

export function containerResourceRoutes({ services, on }: RouteContext): void {
  const { containers } = services;

  on(routes.ContainerUpdate, async ({ params, body }) => {
    const warnings = await containers.update(params.id, body);
    return { status: 200, body: { Warnings: warnings.length === 0 ? null : [...warnings] } };
  });

  on(routes.ContainerTop, ({ params, query }) => ({
    status: 200,
    body: containers.top(params.id, query.ps_args ?? ''),
  }));

  on(routes.ContainerStats, ({ params, query, gone }) => {
    const mode = query.stream ? 'stream' : query['one-shot'] ? 'one-shot' : 'once';
    const samples = containers.statistics(params.id, mode, gone);
    return {
      status: 200,
      lines: async (lines) => {
        for await (const sample of samples) await lines.write(sample);
      },
    };
  });
}
