using Dma.Iommu;
using Dma.Machine;
using Dma.Vmm;
using static Dma.Properties.AssignmentWorld;

namespace Dma.Properties;

/// <summary>Two computers in one virtual time, with a device of the same kind each, and a VM on the first.</summary>
internal sealed class MigrationWorld : IDisposable
{
    public static readonly SourceId GuestPlace = new(0, 4, 0);

    private readonly EventLoop _loop = new();
    private readonly ulong _freeThere;

    /// <summary>The computers, and the VM with its device.</summary>
    /// <param name="profile">The remapping units of both.</param>
    /// <param name="isLazy">Whether the memory of the VM comes when it is touched.</param>
    /// <param name="bytesPerSecond">How fast the link is; a page takes some 3.3 us by default.</param>
    public MigrationWorld(string profile = "friendly-scalable", bool isLazy = false, ulong bytesPerSecond = 1_250_000_000)
    {
        HostOptions options = new()
        {
            MemoryBytes = 32 * MiB,
            VmmBytes = 16 * MiB,
            Loop = _loop,
            Profile = HardwareProfile.Named(profile),
            Scalable = profile.EndsWith("-scalable", StringComparison.Ordinal),
        };
        (Source, Destination, Link) = (new(options), new(options), new(_loop, bytesPerSecond));
        Source.Pci.Add(Here, 3);
        Destination.Pci.Add(There, 7);
        Source.Boot();
        Destination.Boot();
        Machine = isLazy ? Source.TryCreateLazyMachine("vm", 2 * MiB, 64)! : Source.CreateMachine("vm", 2 * MiB);
        _loop.Run(async () => Assert.True((await Assignment.Assign(Machine, GuestPlace)).IsDone));
        Guest = new(Machine, Here, There);
        _freeThere = Destination.Frames.CountOf(FrameOwner.Free);
    }

    public Host Source { get; }

    public Host Destination { get; }

    public MigrationLink Link { get; }

    public DmaDevice Here { get; } = new();

    public DmaDevice There { get; } = new();

    public VirtualMachine Machine { get; }

    public WritingGuest Guest { get; }

    public Assignment Assignment => Source.AssignmentOf(Here.Source);

    public MigrationOptions Options => new()
    {
        DowntimeGoalNs = 100_000,
        Devices = new Dictionary<SourceId, SourceId> { [Here.Source] = There.Source },
    };

    public void Run(Func<Task> play) => _loop.Run(play);

    public async Task<MigrationReport> Migrate(MigrationOptions? options = null) =>
        await Migration.Run(Machine, Destination, Link, Guest, options ?? Options);

    /// <summary>It is there, with all it had, and nothing is left here.</summary>
    public void AssertMoved(MigrationReport report)
    {
        Assert.True(report.IsDone, report.Reason);
        Assert.Same(Guest.Machine, report.Machine);
        Assert.Same(Destination, report.Machine!.Host);
        Assert.Empty(Source.Machines);
        Assert.Equal(0ul, Source.Frames.CountOf(Machine.Owner));
        AssertWithHost(Source, Assignment);
        Assert.Equal(report.Machine, Destination.AssignmentOf(There.Source).Machine);
        Assert.Equal(GuestPlace, Destination.AssignmentOf(There.Source).GuestAddress);
    }

    /// <summary>It is here, with all it had, and nothing is left there.</summary>
    public void AssertStayed(MigrationReport report, MigrationRefusal refusal)
    {
        Assert.Equal(refusal, report.Refusal);
        Assert.Null(report.Machine);
        Assert.NotEmpty(report.Reason);
        Assert.Equal([Machine], Source.Machines);
        Assert.Null(Machine.Memory.DirtyLog);
        Assert.Equal(Machine, Assignment.Machine);
        Assert.Equal(GuestPlace, Assignment.GuestAddress);
        Assert.Empty(Destination.Machines);
        Assert.Equal(_freeThere, Destination.Frames.CountOf(FrameOwner.Free));
        Assert.Equal(0ul, Destination.Frames.Pins);
        AssertWithHost(Destination, Destination.AssignmentOf(There.Source));
    }

    public void Dispose()
    {
        Source.Dispose();
        Destination.Dispose();
    }
}
