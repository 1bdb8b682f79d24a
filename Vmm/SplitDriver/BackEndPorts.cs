using Dma.UsbDevice;

namespace Dma.Vmm;

/// <summary>The ports of a back end that one front end sees, and the devices in them.</summary>
/// <param name="stack">The stack whose devices they are.</param>
internal sealed class BackEndPorts(IUsbStack stack)
{
    /// <summary>How many there are.</summary>
    public const int Count = 31;

    private readonly BackEndPort?[] _ports = new BackEndPort?[Count];

    /// <summary>The front end that is connected; null where none is.</summary>
    public BackEndConnection? Connection { get; set; }

    /// <summary>The ports; the first one is number 1.</summary>
    public IReadOnlyList<BackEndPort?> All => _ports;

    /// <summary>Shows a device to the front end; it was just reset.</summary>
    /// <returns><c>false</c>, and nothing changed, where no port is left for it, or it talks at a speed that none has.</returns>
    public async ValueTask<bool> Attach(IHostUsbDevice device)
    {
        int free = Array.IndexOf(_ports, null);
        if (free < 0 || device.Controller != stack || device.Speed == UsbSpeed.Super)
            return false;
        _ports[free] = new(free + 1, device);
        await (Connection?.Tell(free + 1) ?? default);
        return true;
    }

    /// <summary>Takes a device away; when it completes, nothing of the front end is under way to it.</summary>
    public async ValueTask Detach(IHostUsbDevice device)
    {
        int index = Array.FindIndex(_ports, port => port?.Device == device);
        if (index < 0)
            return;
        BackEndPort port = _ports[index]!;
        port.IsGone = true;
        if (Connection is { } connection)
        {
            await connection.Drain(port);
            await connection.Tell(index + 1);
        }

        _ports[index] = null;
    }

    /// <summary>Forgets all devices.</summary>
    public void Clear() => Array.Clear(_ports);
}
