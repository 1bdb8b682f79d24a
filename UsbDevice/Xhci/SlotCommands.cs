using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>The commands about slots and their contexts (xHCI, command interface).</summary>
/// <remarks>What is refused changes nothing: everything is checked before anything is done.</remarks>
internal sealed class SlotCommands(
    DeviceTable devices, DeviceContexts contexts, ContextRules rules, BandwidthLedger ledger, AddressSetter setter, XhciMemory memory)
{
    private const uint SlotFlag = 1 << ContextIndex.Slot;
    private const uint ControlFlag = 1 << ContextIndex.Control;

    private readonly EndpointContext[] _candidates = new EndpointContext[ContextIndex.Count];

    /// <summary>A command that is under way is given up.</summary>
    public void Abandon() => setter.Abandon();

    /// <summary>Enable Slot.</summary>
    public CommandResult Enable()
    {
        if (devices.FindFree() is not { } slot)
            return new(CompletionCode.NoSlots);
        slot.Enable();
        return new(CompletionCode.Success, slot.Id);
    }

    /// <summary>Disable Slot.</summary>
    public CompletionCode Disable(DeviceSlot slot)
    {
        slot.Disable();
        return contexts.TryWrite(slot) ? CompletionCode.Success : CompletionCode.None;
    }

    /// <summary>Address Device; asked again until the device has answered.</summary>
    public CompletionCode Address(DeviceSlot slot, ContextCommand command, ulong microframe)
    {
        if (setter.IsBusy)
            return Finish(slot, setter.Continue(microframe));
        SlotState highest = command.BlockSetAddress ? SlotState.Enabled : SlotState.Default;
        if (slot.State > highest)
            return CompletionCode.ContextStateError;
        if (!contexts.TryReadControl(command.InputContext, out InputControlContext control)
            || !contexts.TryReadInput(command.InputContext, ContextIndex.Slot, out SlotContext context)
            || !contexts.TryReadInput(command.InputContext, ContextIndex.Control, out EndpointContext endpoint))
            return CompletionCode.None;
        if (control.DropFlags != 0 || control.AddFlags != (SlotFlag | ControlFlag))
            return CompletionCode.TrbError;
        CompletionCode code = rules.CheckSlot(context);
        if (code == CompletionCode.Success)
            code = ContextRules.CheckControl(endpoint, context.Speed);
        if (code != CompletionCode.Success)
            return code;
        DeviceSlot trial = rules.Trial(slot.Id, context, endpoint);
        if (command.BlockSetAddress)
            return Adopt(slot, trial, SlotState.Default, address: 0);
        byte address = devices.FindAddress(trial.Port!);
        if (address == 0)
            return CompletionCode.ResourceError;
        setter.Begin(trial, address);
        return Finish(slot, setter.Continue(microframe));
    }

    /// <summary>Configure Endpoint.</summary>
    public CompletionCode Configure(DeviceSlot slot, ContextCommand command)
    {
        if (slot.State is not (SlotState.Addressed or SlotState.Configured))
            return CompletionCode.ContextStateError;
        if (command.Deconfigure)
            return Deconfigure(slot);
        if (!contexts.TryReadControl(command.InputContext, out InputControlContext control)
            || !contexts.TryReadInput(command.InputContext, ContextIndex.Slot, out SlotContext context))
            return CompletionCode.None;
        if ((control.AddFlags & (SlotFlag | ControlFlag)) != SlotFlag || (control.DropFlags & (SlotFlag | ControlFlag)) != 0)
            return CompletionCode.TrbError;
        CompletionCode code = Collect(slot, command.InputContext, control);
        if (code == CompletionCode.Success && AddsPeriodic(control))
            code = ledger.Check(slot, _candidates);
        return code == CompletionCode.Success ? Change(slot, control, context) : code;
    }

    /// <summary>Evaluate Context.</summary>
    public CompletionCode Evaluate(DeviceSlot slot, ContextCommand command)
    {
        if (slot.State < SlotState.Default)
            return CompletionCode.ContextStateError;
        if (!contexts.TryReadControl(command.InputContext, out InputControlContext control)
            || !contexts.TryReadInput(command.InputContext, ContextIndex.Slot, out SlotContext context)
            || !contexts.TryReadInput(command.InputContext, ContextIndex.Control, out EndpointContext endpoint))
            return CompletionCode.None;
        if (control.DropFlags != 0 || (control.AddFlags & ~(SlotFlag | ControlFlag)) != 0)
            return CompletionCode.TrbError;
        bool setsPacket = (control.AddFlags & ControlFlag) != 0;
        if (setsPacket && !ContextRules.IsPacketSize(endpoint.MaxPacketSize, slot.Context.Speed))
            return CompletionCode.ParameterError;
        if ((control.AddFlags & SlotFlag) != 0)
            slot.Context = slot.Context with { ExitLatencyUs = context.ExitLatencyUs, Interrupter = context.Interrupter };
        XhciEndpoint controlEndpoint = slot.Make(ContextIndex.Control);
        if (setsPacket)
            controlEndpoint.SetMaxPacket(endpoint.MaxPacketSize);
        return Written(contexts.TryWrite(slot) && contexts.TryWrite(controlEndpoint));
    }

    /// <summary>Reset Device: the device itself was reset, through its port.</summary>
    public CompletionCode ResetDevice(DeviceSlot slot)
    {
        if (slot.State is not (SlotState.Addressed or SlotState.Configured))
            return CompletionCode.ContextStateError;
        slot.Context = slot.Context with { State = SlotState.Default, Address = 0, Entries = ContextIndex.Control };
        return DropAll(slot);
    }

    private static CompletionCode Written(bool isWritten) => isWritten ? CompletionCode.Success : CompletionCode.None;

    private CompletionCode Finish(DeviceSlot slot, CompletionCode code)
    {
        if (code == CompletionCode.None)
            return code;
        DeviceSlot trial = setter.Trial!;
        byte address = setter.Address;
        setter.Abandon();
        return code == CompletionCode.Success ? Adopt(slot, trial, SlotState.Addressed, address) : code;
    }

    // What was tried becomes the slot.
    private CompletionCode Adopt(DeviceSlot slot, DeviceSlot trial, SlotState state, byte address)
    {
        slot.Context = trial.Context with { State = state, Address = address };
        (slot.Port, slot.Translator) = (trial.Port, trial.Translator);
        XhciEndpoint endpoint = slot.Make(ContextIndex.Control);
        endpoint.Configure(trial.Find(ContextIndex.Control)!.Context);
        return Written(contexts.TryWrite(slot) && contexts.TryWrite(endpoint));
    }

    private CompletionCode Deconfigure(DeviceSlot slot)
    {
        slot.Context = slot.Context with { State = SlotState.Addressed, Entries = ContextIndex.Control };
        return DropAll(slot);
    }

    private CompletionCode DropAll(DeviceSlot slot)
    {
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            if (slot.Find(index) is not null && !contexts.TryClear(slot, index))
                return CompletionCode.None;
        }

        slot.DropFrom(ContextIndex.Control + 1);
        return Written(contexts.TryWrite(slot));
    }

    // What each endpoint would be after the change.
    private CompletionCode Collect(DeviceSlot slot, ulong input, InputControlContext control)
    {
        Array.Clear(_candidates);
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            uint flag = 1u << index;
            bool drops = (control.DropFlags & flag) != 0;
            if (slot.Find(index) is { } present && !drops)
                _candidates[index] = present.Context;
            if ((control.AddFlags & flag) == 0)
                continue;

            // An endpoint that is there has to go before it can come.
            if (_candidates[index].Type != XhciEndpointType.None)
                return CompletionCode.ParameterError;
            if (!contexts.TryReadInput(input, index, out _candidates[index]))
                return CompletionCode.None;
            CompletionCode code = rules.CheckEndpoint(_candidates[index], index, slot.Speed);
            if (code != CompletionCode.Success)
                return code;
        }

        return CompletionCode.Success;
    }

    // What gives bandwidth back, or leaves it as it is, needs no admission.
    private bool AddsPeriodic(InputControlContext control)
    {
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            if ((control.AddFlags >> index & 1) != 0 && BandwidthLedger.IsPeriodic(_candidates[index].Type))
                return true;
        }

        return false;
    }

    private CompletionCode Change(DeviceSlot slot, InputControlContext control, SlotContext asked)
    {
        bool hasEndpoints = false;
        for (int index = ContextIndex.Control + 1; index < ContextIndex.Count; index++)
        {
            uint flag = 1u << index;
            if ((control.DropFlags & flag) != 0 && slot.Find(index) is { } dropped)
            {
                dropped.Drop();
                _ = contexts.TryClear(slot, index);
            }

            if ((control.AddFlags & flag) != 0)
            {
                XhciEndpoint added = slot.Make(index);
                added.Configure(_candidates[index]);
                _ = contexts.TryWrite(added);
            }

            hasEndpoints |= slot.Find(index) is not null;
        }

        slot.Context = slot.Context with
        {
            State = hasEndpoints ? SlotState.Configured : SlotState.Addressed,
            Entries = asked.Entries,
            Hub = asked.Hub,
            PortCount = asked.PortCount,
            MultiTranslator = asked.MultiTranslator,
            ThinkTime = asked.ThinkTime,
            ExitLatencyUs = asked.ExitLatencyUs,
        };
        return Written(contexts.TryWrite(slot) && !memory.HasFailed);
    }
}
