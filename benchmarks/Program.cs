using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Dma.Benchmarks;

// Wide enough for the names of the cases, by which the lines of the table are told apart.
IConfig config = DefaultConfig.Instance.WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60));

// Without a filter, everything: the switcher would ask instead.
bool filters = args.Contains("--filter") || args.Contains("-f");
string[] words = filters ? args : [.. args, "--filter", "*"];
IEnumerable<Summary> summaries = BenchmarkSwitcher.FromTypes([typeof(WorkloadBenchmarks)]).Run(words, config);
return summaries.SelectMany(summary => summary.Reports).All(report => report.Success) ? 0 : 1;
