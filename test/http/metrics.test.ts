import { expect, test } from 'vitest';
import { byLabel, histogramSamples, printMetrics, single } from '#http/metrics';

test('a histogram adds up its buckets and ends in +Inf', () => {
  const samples = histogramSamples([1, 5], [2, 3, 1], 20, { port: 'auth' });
  expect(printMetrics([{ name: 'h', help: 'H', type: 'histogram', samples }])).toBe(
    [
      '# HELP h H',
      '# TYPE h histogram',
      'h_bucket{port="auth",le="1"} 2',
      'h_bucket{port="auth",le="5"} 5',
      'h_bucket{port="auth",le="+Inf"} 6',
      'h_sum{port="auth"} 20',
      'h_count{port="auth"} 6',
      '',
    ].join('\n'),
  );
});

test('what is not known is left out rather than said to be 0', () => {
  expect(printMetrics([single('a', 'A', 'gauge', null), byLabel('b', 'B', 'x', {})])).toBe('');
});
