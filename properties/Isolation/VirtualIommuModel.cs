using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What a device behind a virtual remapping unit may be answered: all that the tables said since they were last invalidated.</summary>
/// <remarks>A unit without caches over a copy of the guest's memory says what tables say now.</remarks>
internal abstract class VirtualIommuModel : IDisposable
{
    private readonly ulong _memoryBytes;

    protected VirtualIommuModel(HardwareProfile profile, ulong memoryBytes, SourceId[] devices, ulong[] addresses)
    {
        (Devices, Addresses, _memoryBytes) = (devices, addresses, memoryBytes);
        Memory = new(memoryBytes);
        Bare = new(Memory, new InterruptRouter(new()), profile with { IotlbSets = 0, ContextCacheSets = 0, PagingCacheSets = 0, PrefetchPages = 0 });
    }

    /// <summary>The guest's memory, byte for byte.</summary>
    public PhysicalMemory Memory { get; }

    public bool IsTranslating { get; private set; }

    /// <summary>The root table register, as SRTP took it.</summary>
    public ulong Root { get; private set; }

    protected SourceId[] Devices { get; }

    protected ulong[] Addresses { get; }

    protected RemappingUnit Bare { get; }

    /// <summary>SRTP and TE.</summary>
    public void Command(ulong root, bool translate)
    {
        (Root, IsTranslating) = (root, translate);
        Changed();
    }

    /// <summary>The guest, or one of its devices, writes memory.</summary>
    public virtual void Write(ulong address, ReadOnlySpan<byte> bytes) => Assert.True(Memory.TryWrite(new(address), bytes));

    /// <summary>Something in memory changed: what it says now is possible from now on.</summary>
    public abstract void Changed();

    /// <summary>What a request may come to.</summary>
    public abstract IEnumerable<Answer> Possible(int device, int at, bool write);

    /// <summary>What the tables say now.</summary>
    public WalkTranscript Explain(SourceId device, ulong address, bool write)
    {
        Lead(Root);
        return Bare.Explain(device, new(address), write);
    }

    public void Dispose() => Memory.Dispose();

    protected RequesterRoute RouteOf(int device)
    {
        if (!IsTranslating)
            return new(RouteKind.Untranslated);
        Lead(Root);
        return Bare.RouteOf(Devices[device]);
    }

    protected ulong? MemoryAt(ulong address) => address < _memoryBytes ? address & ~0xFFFul : null;

    protected void Lead(ulong root)
    {
        Bare.Write(RegisterOffsets.RootTableAddress, 8, root);
        Bare.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { SetRootTablePointer = true, TranslationEnable = true }.Raw.Value);
    }

    /// <summary>Where a request lands in the guest's memory, or null where nothing moves; and why, where the tables have something against it.</summary>
    internal readonly record struct Answer(ulong? Target, FaultReason Reason = FaultReason.None);
}
