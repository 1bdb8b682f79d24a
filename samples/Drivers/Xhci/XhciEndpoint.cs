using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>One endpoint of a device: its ring, its doorbell, and the way back from each state that it can fall into.</summary>
/// <remarks>
/// <code>
/// running --error, stall--> halted --Reset Endpoint--> stopped --doorbell--> running
///    \------ Stop Endpoint ----------------------------^ ^
///     \-- TRB not understood --> error --Set TR Dequeue--/
/// </code>
/// </remarks>
internal sealed class XhciEndpoint
{
    private const int RecoveryStepsMax = 8;

    private readonly XhciDriver _driver;
    private readonly XhciConnection _device;

    /// <summary>An endpoint that the controller was told of.</summary>
    /// <param name="driver">The controller.</param>
    /// <param name="device">The device.</param>
    /// <param name="index">Its context index, 1 to 31.</param>
    /// <param name="ring">Its ring.</param>
    public XhciEndpoint(XhciDriver driver, XhciConnection device, int index, XhciRing ring) =>
        (_driver, _device, Index, Ring) = (driver, device, index, ring);

    /// <summary>Its context index.</summary>
    public int Index { get; }

    /// <summary>Its ring.</summary>
    public XhciRing Ring { get; }

    /// <summary>Tells the controller that there is work on the ring.</summary>
    public void RingDoorbell() => _driver.Registers.Ring(_device.Number, new() { Target = (byte)Index });

    /// <summary>Clears away what is on the ring, whatever state the endpoint is in; it is stopped afterwards, ready for new work.</summary>
    /// <remarks>Of an endpoint that halted the data toggle starts anew; of one that was stopped it stays.</remarks>
    /// <exception cref="DriverException">The controller stopped, or the endpoint cannot be brought back.</exception>
    public async ValueTask Clear()
    {
        for (int step = 0; step < RecoveryStepsMax; step++)
        {
            // What the context says may be out of date by the time of the command: then that fails, and the state is looked at again.
            switch (_device.StateOf(Index))
            {
                case EndpointState.Running:
                    _ = await _driver.Commands.Execute(new EndpointCommand { Type = TrbType.StopEndpoint, Endpoint = Index, Slot = Slot }.Raw);
                    break;
                case EndpointState.Halted:
                    _ = await _driver.Commands.Execute(new EndpointCommand { Type = TrbType.ResetEndpoint, Endpoint = Index, Slot = Slot }.Raw);
                    break;
                case EndpointState.Stopped or EndpointState.Error:
                    CommandCompletionEvent moved = await _driver.Commands.Execute(new SetDequeueCommand
                    {
                        Type = TrbType.SetDequeue,
                        Dequeue = Ring.Next,
                        CycleState = Ring.Cycle,
                        Endpoint = Index,
                        Slot = Slot,
                    }.Raw);
                    if (moved.Code == CompletionCode.Success)
                        return;
                    break;
                default:
                    throw new DriverException(DriverFailure.CommandRefused, $"Endpoint {Index} of slot {Slot} is not there any more.");
            }
        }

        throw new DriverException(DriverFailure.CommandRefused, $"Endpoint {Index} of slot {Slot} did not come back.");
    }

    /// <summary>Stops the endpoint, so that its ring can be given back.</summary>
    public async ValueTask Stop()
    {
        if (_device.StateOf(Index) == EndpointState.Running)
            _ = await _driver.Commands.Execute(new EndpointCommand { Type = TrbType.StopEndpoint, Endpoint = Index, Slot = Slot }.Raw);
    }

    private byte Slot => (byte)_device.Number;
}
