using BenchmarkDotNet.Running;
using Dma.Benchmarks;

_ = BenchmarkRunner.Run<WorkloadBenchmarks>(args: args);
