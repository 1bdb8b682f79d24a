namespace Dma.UsbDevice;

/// <summary>The endpoints of a SuperSpeed device that told the host NRDY: the host does not ask again until the device says ERDY (USB 3.x, flow control).</summary>
/// <param name="isReady">Whether an endpoint would not say NRDY now; a packet that it would send is put into the buffer.</param>
internal sealed class NotReadyEndpoints(Func<DeviceEndpoint, byte[], bool> isReady)
{
    private readonly List<(DeviceEndpoint Endpoint, ushort Stream)> _waiting = [];
    private readonly byte[] _probe = new byte[UsbBus.PacketMax];

    /// <summary>How many endpoints, and streams of them, wait for their ERDY.</summary>
    public int Count => _waiting.Count;

    /// <summary>The endpoint said NRDY.</summary>
    public void Add(DeviceEndpoint endpoint)
    {
        if (!_waiting.Contains((endpoint, endpoint.Stream)))
            _waiting.Add((endpoint, endpoint.Stream));
    }

    /// <summary>No endpoint waits any more: they are gone.</summary>
    public void Clear() => _waiting.Clear();

    /// <summary>Takes the next endpoint that has become ready; its stream is the one that did.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns><c>false</c> where none has.</returns>
    public bool TryTake(out DeviceEndpoint endpoint)
    {
        for (int index = 0; index < _waiting.Count; index++)
        {
            (endpoint, ushort stream) = _waiting[index];
            endpoint.Stream = stream;
            if (!isReady(endpoint, _probe))
                continue;
            _waiting.RemoveAt(index);
            return true;
        }

        endpoint = null!;
        return false;
    }
}
