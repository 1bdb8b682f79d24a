using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The commands about single endpoints (xHCI, command interface).</summary>
internal sealed class EndpointCommands(DeviceContexts contexts, TransferWindow window, XhciMemory memory, Interrupters events, XhciOptions options)
{
    /// <summary>Reset Endpoint: out of the halt, and stopped.</summary>
    public CompletionCode Reset(DeviceSlot slot, EndpointCommand command)
    {
        if (slot.Find(command.Endpoint) is not { } endpoint)
            return CompletionCode.EndpointNotEnabled;
        if (endpoint.State != EndpointState.Halted)
            return CompletionCode.ContextStateError;
        endpoint.State = EndpointState.Stopped;
        if (command.KeepState)
            (endpoint.ErrorsLeft, endpoint.IsInFlight) = (endpoint.Context.ErrorCount, false);
        else
            endpoint.ResetWire();
        return Written(endpoint);
    }

    /// <summary>Stop Endpoint: software hears first where it stopped, if a transfer was under way.</summary>
    public CompletionCode Stop(DeviceSlot slot, EndpointCommand command)
    {
        if (slot.Find(command.Endpoint) is not { } endpoint)
            return CompletionCode.EndpointNotEnabled;
        if (endpoint.State != EndpointState.Running)
            return CompletionCode.ContextStateError;
        if (endpoint.IsInFlight)
            TellStopped(endpoint);
        endpoint.State = EndpointState.Stopped;
        endpoint.ForgetSplit();
        endpoint.Deactivate();
        endpoint.Streams.PutAside(memory, endpoint.Ring, hasWork: false);
        return Written(endpoint);
    }

    /// <summary>Set TR Dequeue Pointer: the ring goes on elsewhere.</summary>
    public CompletionCode SetDequeue(DeviceSlot slot, SetDequeueCommand command)
    {
        if (slot.Find(command.Endpoint) is not { } endpoint)
            return CompletionCode.EndpointNotEnabled;
        if (endpoint.State is not (EndpointState.Stopped or EndpointState.Error))
            return CompletionCode.ContextStateError;
        RingCursor ring = new(command.Dequeue, command.CycleState);
        if (endpoint.Streams.Exist)
        {
            CompletionCode code = endpoint.Streams.Find(memory, command.Stream, out ulong at, out _);
            if (code != CompletionCode.Success)
                return code;
            EndpointStreams.Store(memory, at, ring);
        }

        endpoint.Rewind(endpoint.Streams.Exist ? default : ring);
        endpoint.State = EndpointState.Stopped;
        return Written(endpoint);
    }

    private void TellStopped(XhciEndpoint endpoint)
    {
        RingOutcome outcome = window.Look(endpoint, out Trb trb);
        NormalTrb common = new(trb.Raw);
        TransferEvent stopped = TransferWindow.EventOf(endpoint, CompletionCode.StoppedLengthInvalid) with { Pointer = endpoint.Ring.Address };
        if (outcome == RingOutcome.Ready && endpoint.IsSkipping && options.StoppedShortPacket)
            stopped = stopped with { Code = CompletionCode.StoppedShortPacket, Residual = endpoint.EventLength };
        else if (outcome == RingOutcome.Ready && TransferWindow.CarriesData(trb.Type))
            stopped = stopped with { Code = CompletionCode.Stopped, Residual = Math.Max(0, common.Length - endpoint.Done) };
        else if (outcome == RingOutcome.Ready && trb.Type is TrbType.Setup or TrbType.Status)
            stopped = stopped with { Code = CompletionCode.Stopped };
        events.Add(outcome == RingOutcome.Ready ? common.Interrupter : 0, new(stopped.Raw));
    }

    private CompletionCode Written(XhciEndpoint endpoint) => contexts.TryWrite(endpoint) ? CompletionCode.Success : CompletionCode.None;
}
