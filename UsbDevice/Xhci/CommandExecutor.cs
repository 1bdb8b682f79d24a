using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>Executes commands; what a command needs more than one moment for goes on when it is asked again (xHCI, command interface).</summary>
internal sealed class CommandExecutor(
    DeviceTable devices, SlotCommands slots, EndpointCommands endpoints, BandwidthLedger ledger, XhciMemory memory, Interrupters events, XhciOptions options)
{
    /// <summary>What is under way is given up.</summary>
    public void Reset() => slots.Abandon();

    /// <summary>Executes a command, or goes on with it.</summary>
    /// <param name="trb">The command.</param>
    /// <param name="microframe">The microframe that it is.</param>
    /// <returns>How it ended; no code where it is to be asked again later, or where the bus of the computer failed.</returns>
    public CommandResult Execute(in Trb trb, ulong microframe)
    {
        CommandResult result = Dispatch(trb, microframe);
        return memory.HasFailed ? default : result;
    }

    private CommandResult Dispatch(in Trb trb, ulong microframe)
    {
        ContextCommand context = new(trb.Raw);
        EndpointCommand endpoint = new(trb.Raw);
        switch (trb.Type)
        {
            case TrbType.NoOpCommand:
                return new(CompletionCode.Success);
            case TrbType.EnableSlot:
                return slots.Enable();
            case TrbType.SetLatencyTolerance when options.LatencyTolerance:
                return new(CompletionCode.Success);
            case TrbType.GetPortBandwidth when options.BandwidthNegotiation:
                return new(PortBandwidth(new(trb.Raw)));
            case TrbType.ForceHeader:
                return new(ForceHeader(new(trb.Raw)));
            default:
                break;
        }

        if (devices.Find(endpoint.Slot) is not { } slot)
            return new(IsAboutSlot(trb.Type) ? CompletionCode.SlotNotEnabled : CompletionCode.TrbError, endpoint.Slot);
        CompletionCode code = trb.Type switch
        {
            TrbType.DisableSlot => slots.Disable(slot),
            TrbType.AddressDevice => slots.Address(slot, context, microframe),
            TrbType.ConfigureEndpoint => slots.Configure(slot, context),
            TrbType.EvaluateContext => slots.Evaluate(slot, context),
            TrbType.ResetDevice => slots.ResetDevice(slot),
            TrbType.ResetEndpoint => endpoints.Reset(slot, endpoint),
            TrbType.StopEndpoint => endpoints.Stop(slot, endpoint),
            TrbType.SetDequeue => endpoints.SetDequeue(slot, new(trb.Raw)),
            TrbType.NegotiateBandwidth when options.BandwidthNegotiation => Negotiate(slot),
            _ => CompletionCode.TrbError,
        };
        return new(code, slot.Id);
    }

    private bool IsAboutSlot(TrbType type) => type switch
    {
        >= TrbType.DisableSlot and <= TrbType.ResetDevice => true,
        TrbType.NegotiateBandwidth => options.BandwidthNegotiation,
        _ => false,
    };

    // Every other device that holds bandwidth is asked to give some of it back.
    private CompletionCode Negotiate(DeviceSlot asking)
    {
        foreach (DeviceSlot slot in devices.Slots)
        {
            if (slot == asking || !slot.IsEnabled || !BandwidthLedger.HoldsBandwidth(slot))
                continue;
            SlotEvent request = new() { Type = TrbType.BandwidthRequest, Code = CompletionCode.Success, Slot = (byte)slot.Id };
            events.Add(slot.Context.Interrupter, new(request.Raw));
        }

        return CompletionCode.Success;
    }

    private CompletionCode PortBandwidth(PortBandwidthCommand command)
    {
        DeviceSlot? hub = command.HubSlot == 0 ? null : devices.Find(command.HubSlot);
        if (command.HubSlot != 0 && hub is not { Context.Hub: true })
            return hub is null ? CompletionCode.SlotNotEnabled : CompletionCode.ParameterError;
        if (command.Speed is < PortSpeed.Full or > PortSpeed.Super)
            return CompletionCode.ParameterError;
        Span<byte> answer = stackalloc byte[256];
        int ports = hub is null ? devices.Ports.Count : hub.Context.PortCount;
        for (int port = 1; port <= ports; port++)
            answer[port] = (byte)(hub is null ? ledger.FreePercent(devices.Ports[port - 1], command.Speed) : ledger.FreePercent(hub, port, command.Speed));
        return memory.TryWrite(command.Context, answer[..((ports + 1 + 7) & ~7)]) ? CompletionCode.Success : CompletionCode.None;
    }

    // What the header asks of a device has no effect on the devices here; that nobody hears it is all that can go wrong.
    private CompletionCode ForceHeader(ForceHeaderCommand command)
    {
        if (command.RootPort == 0 || command.RootPort > devices.Ports.Count || devices.Ports[command.RootPort - 1].Bus.Speed != UsbSpeed.Super)
            return CompletionCode.TrbError;
        return devices.Ports[command.RootPort - 1].IsInU0 ? CompletionCode.Success : CompletionCode.Undefined;
    }
}
