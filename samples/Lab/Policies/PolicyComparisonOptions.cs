using Dma.Hal;
using Dma.Iommu;

namespace Dma.Lab;

/// <summary>What decides a comparison of the policies by which a device gets memory.</summary>
public sealed record PolicyComparisonOptions
{
    /// <summary>The most bytes of one transfer: more, and a driver cuts it.</summary>
    public const int TransferBytesMax = 256 << 10;

    /// <summary>The most bytes that all buffers have together.</summary>
    public const int BufferBytesMax = 8 << 20;

    /// <summary>The most bytes that are moved.</summary>
    public const int WorkBytesMax = 64 << 20;

    /// <summary>The most bytes of the pool.</summary>
    public const int PoolBytesMax = 4 << 20;

    /// <summary>The policies, in the order in which they run.</summary>
    public IReadOnlyList<MappingPolicy> Policies { get; init; } = Enum.GetValues<MappingPolicy>();

    /// <summary>Whether the host allows what nothing would translate for.</summary>
    public bool AllowsUntranslated { get; init; }

    /// <summary>The controller, one of <see cref="UsbControllers.Names"/>.</summary>
    public string Controller { get; init; } = UsbControllers.Xhci;

    /// <summary>The remapping hardware.</summary>
    public HardwareProfile Profile { get; init; } = HardwareProfile.Named("friendly");

    /// <summary>In which direction data go.</summary>
    public PolicyWorkKind Work { get; init; }

    /// <summary>How many transfers there are.</summary>
    public int Transfers { get; init; } = 256;

    /// <summary>Bytes of one, a multiple of 512.</summary>
    public int TransferBytes { get; init; } = 16 << 10;

    /// <summary>How many buffers are used in turns.</summary>
    public int Buffers { get; init; } = 1;

    /// <summary>How many unmaps may wait for their invalidation, or mappings be kept.</summary>
    public int WaitingMax { get; init; } = MappingOptions.Strict.WaitingMax;

    /// <summary>How long they may, in nanoseconds of virtual time.</summary>
    public ulong WaitingNsMax { get; init; } = MappingOptions.Strict.WaitingNsMax;

    /// <summary>Bytes of the pool that the policy "bounce" copies through.</summary>
    public int PoolBytes { get; init; } = MappingOptions.Strict.PoolBytes;

    /// <summary>How often a device goes on after an unmap, at moments that come from the seed.</summary>
    public int Attacks { get; init; } = 16;

    /// <summary>What contents and moments come from.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>What keeps a comparison from being run.</summary>
    /// <returns>One sentence; empty where nothing does.</returns>
    public string FindProblem()
    {
        if (Transfers < 1 || TransferBytes < 512 || TransferBytes % 512 != 0 || TransferBytes > TransferBytesMax)
            return $"A transfer has 512 to {TransferBytesMax} bytes, a multiple of 512, and there is at least one.";
        if ((long)Transfers * TransferBytes > WorkBytesMax)
            return $"{WorkBytesMax >> 20} MiB are moved at most.";
        if (Buffers < 1 || (long)Buffers * TransferBytes > BufferBytesMax)
            return $"There is at least one buffer, and all have {BufferBytesMax >> 20} MiB at most.";
        if (WaitingMax < 1 || WaitingNsMax is < 1 or > 1_000_000_000)
            return "At least one unmap may wait, for 1 ns to 1 s.";
        if (PoolBytes % 4096 != 0 || PoolBytes > PoolBytesMax || PoolBytes < PoolBytesMin)
            return $"The pool is whole 4 KiB pages, at most {PoolBytesMax >> 10} KiB, and for such transfers at least {PoolBytesMin >> 10} KiB.";
        return Attacks is >= 1 and <= 1000 ? "" : "There are 1 to 1000 attacks.";
    }

    /// <summary>The options of a policy.</summary>
    internal MappingOptions Of(MappingPolicy policy) =>
        new() { Policy = policy, WaitingMax = WaitingMax, WaitingNsMax = WaitingNsMax, PoolBytes = PoolBytes };

    // A buffer in the pool is aligned to its size; the work and an attack each have one there, beside what drivers map for themselves.
    private int PoolBytesMin => (4 * (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)TransferBytes)) + (64 << 10);
}
