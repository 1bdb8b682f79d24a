using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Hal;

/// <summary>The interrupts of one device that a unit lets through: entries side by side, one for each vector.</summary>
public sealed class RemappedMessages
{
    private readonly InterruptRemapping _owner;
    private bool _isFree;

    internal RemappedMessages(InterruptRemapping owner, SourceId source, int index, int count) =>
        (_owner, Source, Index, Count) = (owner, source, index, count);

    /// <summary>The requester that may raise them.</summary>
    public SourceId Source { get; }

    /// <summary>How many vectors there are.</summary>
    public int Count { get; }

    /// <summary>What MSI is programmed with: the device adds the number of the vector to the data.</summary>
    public MessageInterrupt Message => new(AddressOf(Index, subhandle: true), 0);

    /// <summary>The index of the first entry.</summary>
    internal int Index { get; }

    /// <summary>What the entry of one vector of MSI-X is programmed with.</summary>
    /// <param name="vector">0 to <see cref="Count"/> - 1.</param>
    public MessageInterrupt MessageOf(int vector)
    {
        Check(vector);
        return new(AddressOf(Index + vector, subhandle: false), 0);
    }

    /// <summary>Lets a vector raise something else; when it completes, the old target is not raised any more.</summary>
    /// <param name="vector">0 to <see cref="Count"/> - 1.</param>
    /// <param name="target">What it raises.</param>
    public ValueTask Redirect(int vector, MessageInterrupt target)
    {
        Check(vector);
        return _owner.Redirect(this, vector, target);
    }

    /// <summary>Lets a vector be posted; when it completes, what it raised before is not raised any more.</summary>
    /// <remarks>An interrupt that comes meanwhile goes to the one or the other: none is lost where both are served until then.</remarks>
    /// <param name="vector">0 to <see cref="Count"/> - 1.</param>
    /// <param name="target">Where it is posted.</param>
    /// <exception cref="DeviceException">The unit cannot post interrupts.</exception>
    public ValueTask Post(int vector, PostedTarget target)
    {
        Check(vector);
        return _owner.Post(this, vector, target);
    }

    /// <summary>Gives the entries back; when it completes, the device can raise none of them.</summary>
    public async ValueTask Free()
    {
        Check(0);
        await _owner.Free(this);
        _isFree = true;
    }

    private static ulong AddressOf(int handle, bool subhandle) => new InterruptRequestAddress(new(InterruptRange.First))
    {
        IsRemappable = true,
        Handle = handle,
        SubhandleValid = subhandle,
    }.Raw.Value;

    private void Check(int vector)
    {
        ObjectDisposedException.ThrowIf(_isFree, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)vector, (uint)Count, nameof(vector));
    }
}
