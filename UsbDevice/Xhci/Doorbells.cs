using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Sets endpoints to work: software rings for them, or a SuperSpeed device says that one is ready again.</summary>
internal sealed class Doorbells(DeviceTable devices, DeviceContexts contexts, BusLanes lanes, XhciStatistics statistics)
{
    /// <summary>Software rang for an endpoint.</summary>
    public void Ring(int slotNumber, XhciDoorbell doorbell, ulong nowNs)
    {
        // Nobody answers for a slot or endpoint that is not there, and one that halted waits for its reset.
        if (devices.Find(slotNumber) is not { Port: not null } slot || slot.Find(doorbell.Target) is not { State: EndpointState.Running or EndpointState.Stopped } endpoint)
            return;
        if (endpoint.State == EndpointState.Stopped)
        {
            endpoint.State = EndpointState.Running;
            _ = contexts.TryWrite(endpoint);
        }

        Begin(slot, endpoint, doorbell.Stream, nowNs);
    }

    /// <summary>A device said ERDY: an endpoint that was not ready is. What nobody wants it for is no harm.</summary>
    /// <param name="port">Where it came from.</param>
    /// <param name="endpoint">Device, endpoint, direction and stream, as the token that was not taken had them.</param>
    /// <param name="nowNs">The time.</param>
    public void Ready(RootPort port, in UsbToken endpoint, ulong nowNs)
    {
        statistics.Ready++;
        foreach (DeviceSlot slot in devices.Slots)
        {
            if (!slot.IsEnabled || slot.Port != port || slot.Address != endpoint.Address)
                continue;
            int index = (2 * endpoint.Endpoint) + (endpoint.Pid == UsbPid.In ? 1 : 0);
            if (slot.Find(index) is { State: EndpointState.Running } found)
                Begin(slot, found, endpoint.Stream, nowNs);
            return;
        }
    }

    /// <summary>The controller runs: endpoints that had work when their state was saved go on.</summary>
    public void Resume(ulong nowNs)
    {
        foreach (DeviceSlot slot in devices.Slots)
        {
            for (int index = ContextIndex.Control; slot.Port is { } port && index < ContextIndex.Count; index++)
            {
                if (slot.Find(index) is not { HadWork: true } endpoint)
                    continue;
                endpoint.HadWork = false;
                lanes.Add(port, endpoint, nowNs);
            }
        }
    }

    private void Begin(DeviceSlot slot, XhciEndpoint endpoint, ushort stream, ulong nowNs)
    {
        if (endpoint.Streams.Exist)
            endpoint.Streams.Ring(stream);
        lanes.Add(slot.Port!, endpoint, nowNs);
    }
}
