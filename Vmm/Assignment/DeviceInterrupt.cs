using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The interrupt of an assigned device on the host: a vector, and where interrupts are remapped an entry that only this device can use.</summary>
/// <remarks>
/// Where the unit does not remap interrupts, the device is trusted with the vector itself: software that makes it write
/// into the interrupt range can raise any vector of the host then.
/// </remarks>
internal sealed class DeviceInterrupt
{
    private readonly Host _host;
    private readonly MessageInterrupt _vector;
    private readonly RemappedMessages? _entry;

    private DeviceInterrupt(Host host, MessageInterrupt vector, Signal signal, RemappedMessages? entry) =>
        (_host, _vector, Signal, _entry) = (host, vector, signal, entry);

    /// <summary>What the device sends.</summary>
    public MessageInterrupt Message => _entry?.Message ?? _vector;

    /// <summary>What that raises on the host.</summary>
    public Signal Signal { get; }

    /// <summary>Takes a vector, and an entry for it.</summary>
    /// <returns><c>null</c>, and nothing changed, where none is left.</returns>
    public static async ValueTask<DeviceInterrupt?> TryTake(Host host, SourceId source)
    {
        if (!host.Vectors.TryTake(out MessageInterrupt vector, out Signal signal))
            return null;
        if (host.Remapping.Interrupts is not { } remapping)
            return new(host, vector, signal, entry: null);
        if (await remapping.TryAllocate(source, [vector]) is { } entry)
            return new(host, vector, signal, entry);
        host.Vectors.Return(vector);
        return null;
    }

    /// <summary>Gives both back; the vector is free once the unit knows the entry no more.</summary>
    public async ValueTask Return()
    {
        if (_entry is { } entry)
            await entry.Free();
        _host.Vectors.Return(_vector);
    }
}
