#:project Lab/Lab.csproj
#:property PublishAot=false

// When does a device get memory, and when does it lose it again? The same drivers read the same disk under six policies; then
// a device that lies goes on writing after the unmap, until it is refused. docs/hal-policies.md explains it, samples/Lab/Policies
// does it, and 'dma compare policies' has options for all of it. Run it with: dotnet run samples/14-dma-policies.cs
using System.Globalization;
using Dma.Hal;
using Dma.Lab;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
PolicyComparisonOptions options = new() { Transfers = 128, Attacks = 16 };

// 1. Six policies. The last one needs leave, since nothing would translate for its device.
Console.WriteLine("policy        hypercalls  invalidations  pinned  copied/byte  us/read  window after the unmap");
foreach (PolicyLine line in new PolicyComparison(options with { AllowsUntranslated = true }).Run().Policies)
    Console.WriteLine($"{line.Policy,-12}  {Costs(line.Figures!)}  {Window(line.Figures!)}");

// 2. What nobody asked for is refused.
PolicyLine refused = new PolicyComparison(options with { Policies = [MappingPolicy.Untranslated] }).Run().Policies[0];
Console.WriteLine($"{refused.Policy}: {refused.Refusal}");

// 3. What deferring costs and what it leaves open, by how much may wait.
Console.WriteLine("deferred, at most  invalidations  pinned  window after the unmap");
foreach ((int unmaps, ulong us) in (ReadOnlySpan<(int, ulong)>)[(1, 10_000), (4, 10_000), (16, 10_000), (250, 500), (250, 10_000)])
{
    PolicyComparisonOptions bounds = options with { Policies = [MappingPolicy.Deferred], WaitingMax = unmaps, WaitingNsMax = us * 1000 };
    PolicyFigures figures = new PolicyComparison(bounds).Run().Policies[0].Figures!;
    Console.WriteLine($"{unmaps,3} or {us,6} us    {figures.Invalidations,13:0.000}  {figures.PinnedPagesMost,6}  {Window(figures)}");
}

static string Costs(PolicyFigures figures) =>
    $"{figures.Hypercalls,10:0.00}  {figures.Invalidations,13:0.000}  {figures.PinnedPagesMost,6}  {figures.CopiesPerByte,11:0.00}  {figures.TimeNs / 1000,7:0.0}";

static string Window(PolicyFigures figures)
{
    string window = figures.Attack.WindowNs is { } ns ? $"{ns / 1000.0:0} us" : "never closes";
    string reach = figures.Reach switch { PolicyReach.Mapped => "", PolicyReach.Machine => ", as all of its VM", _ => ", as all of the host" };
    return window + (figures.Attack.BufferHits == 0 ? "" : ", and the buffer is hit") + reach;
}

// It prints:
// policy        hypercalls  invalidations  pinned  copied/byte  us/read  window after the unmap
// strict              2.00          1.000      42         0.00     46.8  0 us
// deferred            2.00          0.000     557         0.00     46.8  9959 us, and the buffer is hit
// optimistic          0.01          0.000      44         0.00     45.5  10004 us, and the buffer is hit
// bounce              0.00          0.000     294         2.00     45.5  never closes
// static              0.00          0.000    4096         0.00     45.5  never closes, and the buffer is hit, as all of its VM
// untranslated        2.00          0.000      42         0.00     46.8  never closes, and the buffer is hit, as all of the host
// untranslated: 00:1d.0 would reach all memory of the host: nothing would translate for it
// deferred, at most  invalidations  pinned  window after the unmap
//   1 or  10000 us            1.000      42  0 us
//   4 or  10000 us            0.250      54  124 us, and the buffer is hit
//  16 or  10000 us            0.063     102  653 us, and the buffer is hit
// 250 or    500 us            0.094      86  500 us, and the buffer is hit
// 250 or  10000 us            0.000     557  9959 us, and the buffer is hit
