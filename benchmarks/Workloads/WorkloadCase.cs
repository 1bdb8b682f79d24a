using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>A workload by its name, before the memory that it needs is set up.</summary>
/// <param name="Name">What is done.</param>
/// <param name="WorkingSet">On how much.</param>
/// <param name="RatioMax">The highest ratio of the simulator's time to the baseline's that is good; <c>null</c> where none is set.</param>
/// <param name="Create">Sets it up.</param>
public sealed record WorkloadCase(string Name, string WorkingSet, double? RatioMax, Func<Workload> Create)
{
    private static readonly WorkingSet s_few = new(64, 12);
    private static readonly WorkingSet s_many = new(4096, 12);

    private static int[] LiveEntries => [64, 1024, 65_536];

    private static int[] PlannedEvents => [1, 16, 1024];

    private static int[] SharingVms => [1, 4, 16, 64];

    /// <summary>All that is measured.</summary>
    public static IReadOnlyList<WorkloadCase> All { get; } =
    [
        .. Workloads.WorkingSet.All.Select(set => new WorkloadCase("translate", $"{set}", 2.0, () => new TranslateWorkload(set))),
        new("translate, many to few", $"{s_many} : {s_few}", 1.5, () => new ReachWorkload(s_few, s_many)),
        .. Workloads.WorkingSet.All.Select(set => new WorkloadCase("walk", $"{set}", 2.0, () => new WalkWorkload(set))),
        new("interrupt, remapped", "64 entries", 3.0, () => new InterruptWorkload(isPosted: false)),
        new("interrupt, posted", "64 entries", null, () => new InterruptWorkload(isPosted: true)),
        .. new[] { s_few, s_many }.Select(set => new WorkloadCase("nested walk", $"{set}", 2.5, () => new NestedWalkWorkload(set))),
        .. LiveEntries.Select(live => new WorkloadCase("map, use, unmap", $"{live} live", null, () => new MapWorkload(live))),
        new("map, use, unmap, many to few", $"{LiveEntries[^1]} : {LiveEntries[0]} live", 1.5, () => new MapGrowthWorkload(LiveEntries[0], LiveEntries[^1])),
        new("map, unmap by hypercalls", "1 x 4K", null, static () => new HypercallWorkload()),
        new("exit, register read", "4 KiB of registers", null, static () => new ExitWorkload()),
        new("interrupt, taken by a guest", "injected", null, static () => new InjectionWorkload(InterruptDelivery.Remapped)),
        new("interrupt, taken by a guest", "posted", null, static () => new InjectionWorkload(InterruptDelivery.Posted)),
        .. Transfers("hot", 16, 0.4),
        .. Transfers("cold", 65_536, 0.7),
        .. PlannedEvents.Select(planned => new WorkloadCase("event loop", $"{planned} planned", null, () => new EventLoopWorkload(planned))),
        .. Usb(ControllerKind.Ehci, "EHCI"),
        .. Usb(ControllerKind.Xhci, "xHCI"),
        .. SharingVms.Select(vms => new WorkloadCase("microframe, shared EHCI", $"{vms} VMs, idle", null, () => new SharedMicroframeWorkload(vms, isLoaded: false))),
        .. SharingVms.Select(vms => new WorkloadCase("microframe, shared EHCI", $"{vms} VMs, loaded", null, () => new SharedMicroframeWorkload(vms, isLoaded: true))),
        .. Merged("microframe, merged schedules", MergeMethod.Software),
        .. Merged("microframe, merge engine", MergeMethod.Hardware),
    ];

    /// <summary>Name and working set.</summary>
    public override string ToString() => $"{Name}, {WorkingSet}";

    private static WorkloadCase[] Transfers(string temperature, int pages, double bandwidthMin) =>
    [
        new($"read 4 KiB, {temperature}", $"{new WorkingSet(pages, 12)}", 1 / bandwidthMin, () => new TransferWorkload(pages, toMemory: false)),
        new($"write 4 KiB, {temperature}", $"{new WorkingSet(pages, 12)}", 1 / bandwidthMin, () => new TransferWorkload(pages, toMemory: true)),
    ];

    private static WorkloadCase[] Merged(string name, MergeMethod method) =>
    [
        .. SharingVms.Select(vms => new WorkloadCase(name, $"{vms} VMs, idle", null, () => new MergedMicroframeWorkload(vms, isLoaded: false, method))),
        .. SharingVms.Select(vms => new WorkloadCase(name, $"{vms} VMs, {MergedMicroframeWorkload.LoadOf(vms)}", null, () => new MergedMicroframeWorkload(vms, isLoaded: true, method))),
    ];

    private static WorkloadCase[] Usb(ControllerKind controller, string name) =>
    [
        new($"bulk read 4 KiB, {name}", $"{BulkReadWorkload.DiskBytes >> 20} MiB", null, () => new BulkReadWorkload(controller)),
        new($"microframe, {name}", "idle", null, () => new MicroframeWorkload(controller, isLoaded: false)),
        new($"microframe, {name}", "loaded", null, () => new MicroframeWorkload(controller, isLoaded: true)),
    ];
}
