using Dma.Hal;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The interrupt of an assigned device on the host: a vector, and where interrupts are remapped an entry that only this device can use.</summary>
/// <remarks>
/// Where the unit does not remap interrupts, the device is trusted with the vector itself: software that makes it write
/// into the interrupt range can raise any vector of the host then.
/// <para>
/// For a VM whose interrupts are posted, the entry is in posted form as long as the guest has the interrupt on and lets
/// it go to one vector of its processor. Meanwhile, and while the entry changes, the vector of the host is served too.
/// </para>
/// </remarks>
internal sealed class DeviceInterrupt
{
    private readonly Host _host;
    private readonly MessageInterrupt _vector;
    private readonly Gate _gate = new();
    private RemappedMessages? _entry;
    private PostedTarget? _wanted;
    private PostedTarget? _set;
    private bool _isReturned;

    private DeviceInterrupt(Host host, MessageInterrupt vector, Signal signal, RemappedMessages? entry) =>
        (_host, _vector, Signal, _entry) = (host, vector, signal, entry);

    /// <summary>What the device sends.</summary>
    public MessageInterrupt Message => _entry?.Message ?? _vector;

    /// <summary>What that raises on the host.</summary>
    public Signal Signal { get; }

    /// <summary>Whether the entry posts, and the unit knows.</summary>
    public bool IsPosted => _set is not null;

    /// <summary>Takes a vector, and an entry for it that lets nothing through yet.</summary>
    /// <returns><c>null</c>, and nothing changed, where none is left.</returns>
    public static DeviceInterrupt? TryTake(Host host, SourceId requester)
    {
        if (!host.Vectors.TryTake(out MessageInterrupt vector, out Signal signal))
            return null;
        if (host.Remapping.Interrupts is not { } remapping)
            return new(host, vector, signal, entry: null);
        if (remapping.TryReserve(requester, 1) is { } entry)
            return new(host, vector, signal, entry);
        host.Vectors.Return(vector);
        return null;
    }

    /// <summary>Lets the entry lead to the vector.</summary>
    public ValueTask Route() => _entry is { } entry ? _host.Remapping.Interrupts!.Route(entry, [_vector]) : default;

    /// <summary>Lets the entry lead into a guest, or to the vector of the host; it happens soon.</summary>
    /// <param name="target">Where it is posted; null to raise the vector of the host.</param>
    /// <param name="real">The device, whose interrupt is masked meanwhile where it can be.</param>
    public void Follow(PostedTarget? target, RealFunction real)
    {
        if (target == _wanted)
            return;
        _wanted = target;
        real.MaskMessages(true);
        _host.Loop.Start(() => Settle(real));
    }

    /// <summary>Gives both back; the vector is free once the unit knows the entry no more.</summary>
    public async ValueTask Return()
    {
        await _gate.Enter();
        try
        {
            _isReturned = true;
            if (_entry is { } entry)
                await entry.Free();
            _entry = null;
            _host.Vectors.Return(_vector);
        }
        finally
        {
            _gate.Leave();
        }
    }

    // One change at a time, until the entry is as wanted last.
    private async Task Settle(RealFunction real)
    {
        await _gate.Enter();
        try
        {
            while (_entry is { } entry && !_isReturned && _set != _wanted)
            {
                PostedTarget? next = _wanted;
                await (next is { } target ? entry.Post(0, target) : entry.Redirect(0, _vector));
                _set = next;
            }

            if (!_isReturned)
                real.MaskMessages(false);
        }
        finally
        {
            _gate.Leave();
        }
    }
}
